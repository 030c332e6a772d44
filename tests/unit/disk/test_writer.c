/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Every kind of writer runs the same tests; what it wrote is looked at by qemu-img.
 */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "disk/writer.h"

#define IMAGE_SIZE (UINT64_C(5) * 1024 * 1024 + 3 * 512)
#define DEVICE_SIZE (UINT64_C(8) * 1024 * 1024)

#define OPTION(name, value)                                                                        \
    {                                                                                              \
        (char *)(uintptr_t)(name), (char *)(uintptr_t)(value)                                      \
    }

struct kind {
    const char *name;
    const char *format;
    bool device;
    bool checkable; /* qemu-img check knows it */
    struct disk_option options[8];
};

static const struct kind kinds[] = {
    {"raw file", "raw"},
    {"raw on a block device", "raw", .device = true},
    {"qcow2", "qcow2", .checkable = true},
    {"qcow2 v2", "qcow2", .checkable = true, .options = {OPTION("compat", "0.10")}},
    {"qcow2 with options", "qcow2", .checkable = true,
     .options = {OPTION("cluster_size", "131072"), OPTION("compat", "1.1"),
                 OPTION("compression_type", "zstd"), OPTION("extended_l2", "on"),
                 OPTION("lazy_refcounts", "on"), OPTION("refcount_bits", "8")}},
    {"qcow2 on a block device", "qcow2", .device = true, .checkable = true},
    {"vmdk", "vmdk", .checkable = true, .options = {OPTION("subformat", "monolithicSparse")}},
    {"vdi", "vdi", .checkable = true, .options = {OPTION("static", "off")}},
    {"vdi static", "vdi", .checkable = true, .options = {OPTION("static", "on")}},
    {"vpc", "vpc"},
    {"vhdx", "vhdx", .checkable = true, .options = {OPTION("block_size", "1048576")}},
    {"qed", "qed", .checkable = true, .options = {OPTION("cluster_size", "32768")}},
    {"qcow", "qcow"},
    {"ploop", "ploop"},
};
#define KIND_COUNT (sizeof(kinds) / sizeof(*kinds))

static const char *qemu_name(const char *format)
{
    return strcmp(format, "ploop") == 0 ? "parallels" : format;
}

static size_t count_options(const struct kind *kind)
{
    size_t n = 0;

    while (kind->options[n].name)
        n++;
    return n;
}

/* A loop device full of old data. */
static const char *old_device(unsigned number)
{
    const char *file = at_n("device", number);
    char *data = malloc(DEVICE_SIZE);
    CLEANUP_CLOSE int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    memset(data, 0xaa, DEVICE_SIZE);
    assert_int_equal(pwrite(fd, data, DEVICE_SIZE, 0), DEVICE_SIZE);
    free(data);
    return loop_attach(file);
}

static struct disk_target target_of(const struct kind *kind)
{
    static char path[256];
    static unsigned number;

    if (kind->device)
        need_root();
    number++;
    snprintf(path, sizeof(path), "%s", kind->device ? old_device(number) : at_n("new", number));
    return (struct disk_target){.path = path,
                                .format = kind->format,
                                .options = kind->options,
                                .option_count = count_options(kind),
                                .image_size = IMAGE_SIZE,
                                .block_device = kind->device};
}

static void end_target(const struct disk_target *target)
{
    if (target->block_device)
        loop_detach(target->path);
    /* Nothing of ours runs on. */
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

/* Pieces of odd sizes in no order; zeros by disk_writer_zero where a piece is all zeros. */
static void write_all(struct disk_writer *writer, const struct image *image)
{
    enum { MAX_PIECES = 4096 };
    static uint64_t starts[MAX_PIECES + 1];
    static size_t order[MAX_PIECES];
    struct err err = ERR_INIT;
    size_t count = 0;

    for (uint64_t offset = 0; offset < image->size; count++) {
        assert_true(count < MAX_PIECES);
        starts[count] = offset;
        order[count] = count;
        offset += random_below(2) ? 512 * (1 + random_below(64)) : 65536 * (1 + random_below(8));
    }
    starts[count] = image->size;
    for (size_t i = count - 1; i > 0; i--) {
        size_t j = (size_t)random_below(i + 1);
        size_t other = order[i];
        order[i] = order[j];
        order[j] = other;
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t start = starts[order[i]];
        size_t len = (size_t)(starts[order[i] + 1] - start);
        if (io_is_zero(image->data + start, len))
            assert_ok(disk_writer_zero(writer, start, len, &err), &err);
        else
            assert_ok(disk_writer_write(writer, start, image->data + start, len, &err), &err);
    }
}

static void assert_same(const struct image *image, const struct disk_target *target)
{
    if (!target->block_device || strcmp(target->format, "raw") != 0) {
        run("qemu-img", "compare", "-f", "raw", "-F", qemu_name(target->format), image->path,
            target->path, NULL);
        return;
    }
    /* The device is larger than the image. */
    uint8_t *data = malloc(DEVICE_SIZE);
    struct err err = ERR_INIT;
    CLEANUP_CLOSE int fd = open(target->path, O_RDONLY | O_CLOEXEC);
    assert_ok(io_pread(fd, data, DEVICE_SIZE, 0, &err), &err);
    assert_memory_equal(data, image->data, image->size);
    for (uint64_t i = image->size; i < DEVICE_SIZE; i++)
        assert_int_equal(data[i], 0xaa);
    free(data);
}

static void holds_what_was_written(void **state)
{
    const struct kind *kind = *state;
    struct disk_target target = target_of(kind);
    struct image image = image_make("reference.raw", IMAGE_SIZE);
    CLEANUP_DISK_INFO struct disk_info info = {0};
    struct disk_writer *writer = NULL;
    struct err err = ERR_INIT;
    struct stat st;

    assert_ok(disk_writer_create(&target, &writer, &err), &err);
    write_all(writer, &image);
    assert_ok(disk_writer_finish(writer, &err), &err);
    disk_writer_free(writer);
    assert_int_equal(stat(target.path, &st), 0);
    if (!kind->device)
        assert_int_equal(st.st_mode & 07777, 0600);
    assert_same(&image, &target);
    assert_ok(disk_inspect(target.path, kind->format, &info, &err), &err);
    assert_true(info.image_size == (kind->device && !kind->checkable ? DEVICE_SIZE : IMAGE_SIZE));
    if (kind->checkable)
        run("qemu-img", "check", "-q", "-f", qemu_name(kind->format), target.path, NULL);
    image_free(&image);
    end_target(&target);
}

static const char *value_of(const struct disk_info *info, const char *name)
{
    for (size_t i = 0; i < info->option_count; i++)
        if (strcmp(info->options[i].name, name) == 0)
            return info->options[i].value;
    return "none";
}

static void has_the_recorded_options(void **state)
{
    const struct kind *kind = *state;
    struct disk_target target = target_of(kind);
    CLEANUP_DISK_INFO struct disk_info info = {0};
    struct disk_writer *writer = NULL;
    struct err err = ERR_INIT;

    assert_ok(disk_writer_create(&target, &writer, &err), &err);
    assert_ok(disk_writer_finish(writer, &err), &err);
    disk_writer_free(writer);
    assert_ok(disk_inspect(target.path, kind->format, &info, &err), &err);
    for (size_t i = 0; i < target.option_count; i++)
        assert_string_equal(value_of(&info, kind->options[i].name), kind->options[i].value);
    if (!kind->device)
        assert_true(info.image_size == IMAGE_SIZE);
    end_target(&target);
}

static void unfinished_file_is_removed(void **state)
{
    const struct kind *kind = *state;
    struct disk_target target = target_of(kind);
    struct disk_writer *writer = NULL;
    struct err err = ERR_INIT;
    uint8_t data[512] = {1};

    assert_ok(disk_writer_create(&target, &writer, &err), &err);
    assert_int_equal(access(target.path, F_OK), 0);
    assert_ok(disk_writer_write(writer, 512, data, sizeof(data), &err), &err);
    disk_writer_free(writer);
    assert_int_equal(access(target.path, F_OK), kind->device ? 0 : -1);
    end_target(&target);
}

static void existing_file_is_left_alone(void **state)
{
    const struct kind *kind = *state;
    struct disk_target target = target_of(kind);
    struct disk_writer *writer = NULL;
    struct err err = ERR_INIT;
    struct stat st;

    if (!kind->device) {
        run("cp", "/proc/version", target.path, NULL);
        assert_int_equal(disk_writer_create(&target, &writer, &err), -1);
        assert_err(&err, ERR_EXISTS, "exists already");
        assert_int_equal(stat(target.path, &st), 0);
        assert_true(st.st_size > 0);
    }
    end_target(&target);
}

static void range_behind_the_end_is_refused(void **state)
{
    struct disk_target target = target_of(*state);
    struct disk_writer *writer = NULL;
    struct err err = ERR_INIT;
    uint8_t data[512] = {1};

    assert_ok(disk_writer_create(&target, &writer, &err), &err);
    assert_int_equal(disk_writer_write(writer, IMAGE_SIZE - 511, data, 512, &err), -1);
    assert_err(&err, ERR_INTERNAL, "end");
    assert_int_equal(disk_writer_zero(writer, UINT64_MAX, 2, &err), -1);
    assert_err(&err, ERR_INTERNAL, "end");
    disk_writer_free(writer);
    end_target(&target);
}

/* ---- what concerns single kinds ------------------------------------------------ */

static void raw_file_is_sparse(void **state)
{
    static uint8_t data[1 << 20];
    struct disk_target target = {.path = at("sparse"), .format = "raw", .image_size = 1 << 30};
    struct disk_writer *writer = NULL;
    struct err err = ERR_INIT;
    struct stat st;

    (void)state;
    assert_ok(disk_writer_create(&target, &writer, &err), &err);
    memset(data + 65536, 1, 4096);
    assert_ok(disk_writer_write(writer, 5 << 20, data, sizeof(data), &err), &err);
    assert_ok(disk_writer_zero(writer, 6 << 20, 1 << 20, &err), &err);
    assert_ok(disk_writer_finish(writer, &err), &err);
    disk_writer_free(writer);
    assert_int_equal(stat(target.path, &st), 0);
    assert_true(st.st_size == 1 << 30);
    assert_true(st.st_blocks * 512 <= 8192);
}

static void qcow2_has_no_clusters_for_zeros(void **state)
{
    static uint8_t data[1 << 20];
    struct disk_target target = {
        .path = at("sparse.qcow2"), .format = "qcow2", .image_size = 1 << 30};
    struct disk_writer *writer = NULL;
    struct err err = ERR_INIT;

    (void)state;
    assert_ok(disk_writer_create(&target, &writer, &err), &err);
    memset(data + 65536, 1, 4096);
    assert_ok(disk_writer_write(writer, 5 << 20, data, sizeof(data), &err), &err);
    assert_ok(disk_writer_finish(writer, &err), &err);
    disk_writer_free(writer);
    CLEANUP_FREE char *text = run_output("qemu-img", "check", "-f", "qcow2", target.path, NULL);
    assert_non_null(strstr(text, "1/16384 = "));
}

static void unsafe_options_are_left_out(void **state)
{
    const struct disk_option options[] = {
        OPTION("data_file", "/etc/passwd"),
        OPTION("backing_file", "/etc/passwd"),
        OPTION("backing_fmt", "raw"),
        OPTION("encrypt.format", "luks"),
        OPTION("preallocation", "full"),
        OPTION("compat", "1.1,data_file=/tmp/x"),
        OPTION("cluster_size", ""),
        OPTION("lazy_refcounts", NULL),
        OPTION("size", "1T"),
        OPTION("refcount_bits", "32"),
    };
    struct disk_target target = {.path = at("unsafe.qcow2"),
                                 .format = "qcow2",
                                 .options = options,
                                 .option_count = sizeof(options) / sizeof(*options),
                                 .image_size = 1 << 20};
    CLEANUP_DISK_INFO struct disk_info info = {0};
    struct disk_writer *writer = NULL;
    struct err err = ERR_INIT;

    (void)state;
    assert_ok(disk_writer_create(&target, &writer, &err), &err);
    assert_ok(disk_writer_finish(writer, &err), &err);
    disk_writer_free(writer);
    assert_ok(disk_inspect(target.path, "qcow2", &info, &err), &err);
    assert_int_equal(info.chain_length, 1);
    assert_null(info.data_file);
    assert_false(info.encrypted);
    assert_true(info.image_size == 1 << 20);
    assert_true(info.file_size < 1 << 20);
    assert_string_equal(value_of(&info, "refcount_bits"), "32");
    assert_string_equal(value_of(&info, "cluster_size"), "65536");
}

static void vmdk_that_takes_no_writes_becomes_sparse(void **state)
{
    static const char *const types[] = {"streamOptimized", "monolithicFlat", "vmfs"};

    (void)state;
    for (unsigned i = 0; i < sizeof(types) / sizeof(*types); i++) {
        const struct disk_option option = OPTION("subformat", types[i]);
        struct disk_target target = {.path = at_n("stream", i),
                                     .format = "vmdk",
                                     .options = &option,
                                     .option_count = 1,
                                     .image_size = 4 << 20};
        CLEANUP_DISK_INFO struct disk_info info = {0};
        struct disk_writer *writer = NULL;
        struct err err = ERR_INIT;
        assert_ok(disk_writer_create(&target, &writer, &err), &err);
        assert_ok(disk_writer_finish(writer, &err), &err);
        disk_writer_free(writer);
        assert_ok(disk_inspect(target.path, "vmdk", &info, &err), &err);
        assert_string_equal(value_of(&info, "subformat"), "monolithicSparse");
    }
}

static void formats_without_a_writer_are_refused(void **state)
{
    static const char *const formats[] = {"bochs", "cloop", "dmg", "luks", "auto", ""};

    (void)state;
    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
        struct disk_target target = {.path = at("no"), .format = formats[i], .image_size = 512};
        struct disk_writer *writer = NULL;
        struct err err = ERR_INIT;
        assert_int_equal(disk_writer_create(&target, &writer, &err), -1);
        assert_err(&err, ERR_UNSUPPORTED, formats[i]);
        assert_int_equal(access(target.path, F_OK), -1);
    }
}

static void foreign_file_of_that_name_is_not_removed(void **state)
{
    struct disk_target target = {.path = at("swapped"), .format = "raw", .image_size = 4096};
    struct disk_writer *writer = NULL;
    struct err err = ERR_INIT;

    (void)state;
    assert_ok(disk_writer_create(&target, &writer, &err), &err);
    run("mv", target.path, at("moved"), NULL);
    run("cp", "/proc/version", target.path, NULL);
    disk_writer_free(writer);
    assert_int_equal(access(target.path, F_OK), 0);
}

static void missing_folder_is_not_found(void **state)
{
    struct disk_target target = {.path = at("none/disk"), .format = "qcow2", .image_size = 4096};
    struct disk_writer *writer = NULL;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(disk_writer_create(&target, &writer, &err), -1);
    assert_err(&err, ERR_NOT_FOUND, "none/disk: cannot create it");
}

/* ---- block devices -------------------------------------------------------------- */

static void too_small_device_is_refused_with_both_sizes(void **state)
{
    struct disk_writer *writer = NULL;
    struct err err = ERR_INIT;

    (void)state;
    need_root();
    struct disk_target target = {.path = old_device(100),
                                 .format = "raw",
                                 .image_size = DEVICE_SIZE + 512,
                                 .block_device = true};
    assert_int_equal(disk_writer_create(&target, &writer, &err), -1);
    assert_err(&err, ERR_NO_SPACE, "8388608 bytes, the image needs 8389120");
}

static void used_device_is_busy(void **state)
{
    struct disk_writer *writer = NULL;
    struct err err = ERR_INIT;

    (void)state;
    need_root();
    struct disk_target target = {
        .path = old_device(101), .format = "raw", .image_size = 4096, .block_device = true};
    int fd = open(target.path, O_RDONLY | O_EXCL | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(disk_writer_create(&target, &writer, &err), -1);
    assert_err(&err, ERR_BUSY, "is mounted or used");
    close(fd);
    struct qemu_writer other = qemu_writer_start(target.path, "raw");
    assert_int_equal(disk_writer_create(&target, &writer, &err), -1);
    assert_err(&err, ERR_BUSY, "lock");
    target.format = "qcow2";
    assert_int_equal(disk_writer_create(&target, &writer, &err), -1);
    assert_err(&err, ERR_BUSY, "lock");
    qemu_writer_stop(&other);
    assert_ok(disk_writer_create(&target, &writer, &err), &err);
    disk_writer_free(writer);
}

static void file_is_no_block_device(void **state)
{
    struct disk_writer *writer = NULL;
    struct err err = ERR_INIT;

    (void)state;
    run("truncate", "-s", "4096", at("plain"), NULL);
    struct disk_target target = {
        .path = at("plain"), .format = "raw", .image_size = 10, .block_device = true};
    assert_int_equal(disk_writer_create(&target, &writer, &err), -1);
    assert_err(&err, ERR_UNSUPPORTED, "not a block device");
    target.format = "vdi";
    assert_int_equal(disk_writer_create(&target, &writer, &err), -1);
    assert_err(&err, ERR_UNSUPPORTED, "vdi");
}

/* ---- full file systems ------------------------------------------------------------ */

/* In a forked process with a mount namespace of its own. */
static bool full_file_system_is_told(void *opaque)
{
    static uint8_t data[4 << 20];
    struct disk_target target = {
        .path = at("full/disk"), .format = opaque, .image_size = sizeof(data)};
    struct disk_writer *writer = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;

    memset(data, 1, sizeof(data));
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mkdir(at("full"), 0700) < 0 ||
        mount("tmpfs", at("full"), "tmpfs", 0, "size=2M,mode=0700") < 0)
        return false;
    if (disk_writer_create(&target, &writer, &err) == 0 &&
        disk_writer_write(writer, 0, data, sizeof(data), &err) == 0 &&
        disk_writer_finish(writer, &err) == 0)
        return false;
    fprintf(stderr, "# %s\n", err.text);
    bool told = err.kind == ERR_NO_SPACE && strstr(err.text, "full/disk: cannot write at byte") &&
                strstr(err.text, "4194304 bytes") && !strchr(err.text, '\n');
    disk_writer_free(writer);
    return told && access(target.path, F_OK) < 0 && rmdir(at("full")) < 0;
}

static void full_file_system(void **state)
{
    static char formats[][8] = {"raw", "qcow2", "vdi"};

    (void)state;
    need_root();
    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
        assert_true(in_child(full_file_system_is_told, formats[i]));
        rmdir(at("full"));
    }
}

/* ---- main ---------------------------------------------------------------------- */

static const struct {
    const char *name;
    CMUnitTestFunction function;
} suite[] = {
    {"holds what was written", holds_what_was_written},
    {"has the recorded options", has_the_recorded_options},
    {"unfinished file is removed", unfinished_file_is_removed},
    {"existing file is left alone", existing_file_is_left_alone},
    {"range behind the end is refused", range_behind_the_end_is_refused},
};
#define SUITE_COUNT (sizeof(suite) / sizeof(*suite))

int main(void)
{
    static char names[KIND_COUNT * SUITE_COUNT][96];
    const struct CMUnitTest others[] = {
        cmocka_unit_test(raw_file_is_sparse),
        cmocka_unit_test(qcow2_has_no_clusters_for_zeros),
        cmocka_unit_test(unsafe_options_are_left_out),
        cmocka_unit_test(vmdk_that_takes_no_writes_becomes_sparse),
        cmocka_unit_test(formats_without_a_writer_are_refused),
        cmocka_unit_test(foreign_file_of_that_name_is_not_removed),
        cmocka_unit_test(missing_folder_is_not_found),
        cmocka_unit_test(too_small_device_is_refused_with_both_sizes),
        cmocka_unit_test(used_device_is_busy),
        cmocka_unit_test(file_is_no_block_device),
        cmocka_unit_test(full_file_system),
    };
    struct CMUnitTest tests[KIND_COUNT * SUITE_COUNT + sizeof(others) / sizeof(*others)];
    size_t n = 0;

    for (size_t k = 0; k < KIND_COUNT; k++)
        for (size_t s = 0; s < SUITE_COUNT; s++, n++) {
            snprintf(names[n], sizeof(names[n]), "%s: %s", kinds[k].name, suite[s].name);
            tests[n] = (struct CMUnitTest){names[n], suite[s].function, NULL, NULL,
                                           (void *)(uintptr_t)&kinds[k]};
        }
    memcpy(tests + n, others, sizeof(others));
    seed_start();
    return cmocka_run_group_tests_name("disk writer", tests, support_setup, support_teardown);
}
