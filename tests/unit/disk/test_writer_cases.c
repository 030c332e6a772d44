/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Writers: what concerns single kinds of images, options that are not passed on,
 * block devices, full file systems.
 */
#include "support.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "disk/writer.h"

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
    assert_true(st.st_blocks * 512 >= 4096);
    assert_true(st.st_blocks * 512 <= (16 << 10) + 4096);
}

/* They would be written one by one. */
static void small_holes_are_filled(void **state)
{
    static uint8_t data[1 << 20];
    struct disk_target target = {.path = at("filled"), .format = "raw", .image_size = 1 << 20};
    struct disk_writer *writer = NULL;
    struct err err = ERR_INIT;
    struct stat st;

    (void)state;
    assert_ok(disk_writer_create(&target, &writer, &err), &err);
    for (size_t i = 0; i < sizeof(data) / 2; i += 8192)
        data[i] = 1;
    assert_ok(disk_writer_write(writer, 0, data, sizeof(data), &err), &err);
    assert_ok(disk_writer_finish(writer, &err), &err);
    disk_writer_free(writer);
    assert_int_equal(stat(target.path, &st), 0);
    assert_true(st.st_blocks * 512 >= (off_t)sizeof(data) / 2);
    assert_true(st.st_blocks * 512 <= (off_t)sizeof(data) / 2 + 8192);
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

static uint64_t page_faults_of_children(void)
{
    struct rusage used;

    assert_int_equal(getrusage(RUSAGE_CHILDREN, &used), 0);
    return (uint64_t)used.ru_minflt;
}

/* qemu-nbd gets its memory from the kernel once, not for each request. */
static void requests_share_memory(void **state)
{
    static uint8_t data[1 << 20];
    struct disk_target target = {
        .path = at("large.qcow2"), .format = "qcow2", .image_size = 128 << 20};
    struct disk_writer *writer = NULL;
    struct err err = ERR_INIT;
    uint64_t before = page_faults_of_children();

    (void)state;
    assert_ok(disk_writer_create(&target, &writer, &err), &err);
    memset(data, 1, sizeof(data));
    for (uint64_t offset = 0; offset < target.image_size; offset += sizeof(data))
        assert_ok(disk_writer_write(writer, offset, data, sizeof(data), &err), &err);
    assert_ok(disk_writer_finish(writer, &err), &err);
    disk_writer_free(writer);
    uint64_t faults = page_faults_of_children() - before;
    if (faults > target.image_size / (uint64_t)sysconf(_SC_PAGESIZE) / 2)
        fail_msg("%" PRIu64 " page faults", faults);
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
    assert_string_equal(option_of(&info, "refcount_bits"), "32");
    assert_string_equal(option_of(&info, "cluster_size"), "65536");
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
        assert_string_equal(option_of(&info, "subformat"), "monolithicSparse");
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
    assert_err(&err, ERR_NOT_FOUND, "none/disk: cannot open the folder");
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
    assert_err(&err, ERR_NO_SPACE, "8388608 bytes, but the image needs 8389120");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_file_is_sparse),
        cmocka_unit_test(small_holes_are_filled),
        cmocka_unit_test(qcow2_has_no_clusters_for_zeros),
        cmocka_unit_test(requests_share_memory),
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

    seed_start();
    return cmocka_run_group_tests_name("disk writer cases", tests, support_setup, support_teardown);
}
