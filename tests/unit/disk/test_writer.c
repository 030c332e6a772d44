/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Every kind of writer runs the same tests; what it wrote is looked at by qemu-img.
 */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "disk/writer.h"

#define IMAGE_SIZE (UINT64_C(5) * 1024 * 1024 + 3 * 512)

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

static void holds_bytes_and_options(void **state)
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
    for (size_t i = 0; i < target.option_count; i++)
        assert_string_equal(option_of(&info, kind->options[i].name), kind->options[i].value);
    if (kind->checkable)
        run("qemu-img", "check", "-q", "-f", qemu_name(kind->format), target.path, NULL);
    image_free(&image);
    end_target(&target);
}

static void unfinished_is_removed(void **state)
{
    const struct kind *kind = *state;
    struct disk_target target = target_of(kind);
    struct disk_writer *writer = NULL;
    struct err err = ERR_INIT;
    uint8_t data[512] = {1};

    assert_ok(disk_writer_create(&target, &writer, &err), &err);
    assert_int_equal(access(target.path, F_OK), 0);
    assert_ok(disk_writer_write(writer, 512, data, sizeof(data), &err), &err);
    assert_int_equal(disk_writer_write(writer, IMAGE_SIZE - 511, data, 512, &err), -1);
    assert_err(&err, ERR_INTERNAL, "end");
    assert_int_equal(disk_writer_zero(writer, UINT64_MAX, 2, &err), -1);
    assert_err(&err, ERR_INTERNAL, "end");
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
        assert_err(&err, ERR_EXISTS, "already exists");
        assert_int_equal(stat(target.path, &st), 0);
        assert_true(st.st_size > 0);
    }
    end_target(&target);
}

/* ---- main ---------------------------------------------------------------------- */

static const struct {
    const char *name;
    CMUnitTestFunction function;
} suite[] = {
    {"holds the bytes written and the recorded options", holds_bytes_and_options},
    {"refuses what is behind the end; unfinished, it is removed", unfinished_is_removed},
    {"existing file is left alone", existing_file_is_left_alone},
};
#define SUITE_COUNT (sizeof(suite) / sizeof(*suite))

int main(void)
{
    static char names[KIND_COUNT * SUITE_COUNT][96];
    struct CMUnitTest tests[KIND_COUNT * SUITE_COUNT];
    size_t n = 0;

    for (size_t k = 0; k < KIND_COUNT; k++)
        for (size_t s = 0; s < SUITE_COUNT; s++, n++) {
            snprintf(names[n], sizeof(names[n]), "%s: %s", kinds[k].name, suite[s].name);
            tests[n] = (struct CMUnitTest){names[n], suite[s].function, NULL, NULL,
                                           (void *)(uintptr_t)&kinds[k]};
        }
    seed_start();
    return cmocka_run_group_tests_name("disk writer", tests, support_setup, support_teardown);
}
