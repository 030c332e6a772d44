/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Readers: what concerns single kinds of images, and what is refused.
 */
#include "support.h"

#include <string.h>

#include "disk/reader.h"

static void raw_size_need_not_be_whole_sectors(void **state)
{
    struct image reference = image_make("odd.raw", 1001);
    struct disk_reader *reader = NULL;
    struct err err = ERR_INIT;
    uint8_t data[1001];

    (void)state;
    assert_ok(disk_reader_open(reference.path, "raw", &reader, &err), &err);
    assert_true(disk_reader_size(reader) == 1001);
    assert_ok(disk_reader_read(reader, 0, data, sizeof(data), &err), &err);
    assert_memory_equal(data, reference.data, sizeof(data));
    disk_reader_close(reader);
    image_free(&reference);
}

static void raw_file_that_becomes_shorter_is_an_error(void **state)
{
    struct image reference = image_make("shrinks.raw", 1 << 20);
    struct disk_reader *reader = NULL;
    struct err err = ERR_INIT;
    struct disk_part part;
    uint8_t data[512];

    (void)state;
    assert_ok(disk_reader_open(reference.path, "raw", &reader, &err), &err);
    run("truncate", "-s", "512K", reference.path, NULL);
    assert_int_equal(disk_reader_map(reader, 600 << 10, &part, &err), -1);
    assert_err(&err, ERR_IO, "the image shrank");
    assert_int_equal(disk_reader_read(reader, 600 << 10, data, sizeof(data), &err), -1);
    assert_err(&err, ERR_IO, "the image shrank");
    disk_reader_close(reader);
    image_free(&reference);
}

static void large_sparse_image_takes_few_questions(void **state)
{
    const uint64_t size = UINT64_C(10) << 30;
    const uint64_t data_at = UINT64_C(5) << 30;
    const char *path = at("large.qcow2");
    struct disk_reader *reader = NULL;
    struct err err = ERR_INIT;
    uint64_t data_bytes = 0;
    unsigned parts = 0;

    (void)state;
    run("qemu-img", "create", "-q", "-f", "qcow2", path, "10G", NULL);
    run("qemu-io", "-f", "qcow2", "-c", "write 5G 128K", path, NULL);
    assert_ok(disk_reader_open(path, "qcow2", &reader, &err), &err);
    struct disk_part part = {0};
    for (uint64_t offset = 0; offset < size; offset += part.len, parts++) {
        assert_ok(disk_reader_map(reader, offset, &part, &err), &err);
        if (part.kind != DISK_ZERO)
            assert_true(offset >= data_at && offset + part.len <= data_at + (128 << 10));
        data_bytes += part.kind == DISK_ZERO ? 0 : part.len;
    }
    assert_true(data_bytes == 128 << 10);
    assert_true(parts < 20);
    disk_reader_close(reader);
}

/* A guest may write any header to its raw disk. */
static void raw_image_with_a_qcow2_header_stays_raw(void **state)
{
    struct disk_reader *reader = NULL;
    struct err err = ERR_INIT;
    char magic[4];

    (void)state;
    run("qemu-img", "create", "-q", "-f", "qcow2", at("disguise"), "1G", NULL);
    assert_ok(disk_reader_open(at("disguise"), "raw", &reader, &err), &err);
    assert_true(disk_reader_size(reader) < 1 << 20);
    assert_ok(disk_reader_read(reader, 0, magic, 4, &err), &err);
    assert_memory_equal(magic, "QFI\xfb", 4);
    disk_reader_close(reader);
}

static void relative_and_protocol_paths_are_refused(void **state)
{
    static const char *const paths[] = {"disk.qcow2", "json:{\"driver\":\"raw\"}",
                                        "nbd://localhost/x", "file:/etc/passwd", ""};
    struct disk_reader *reader = NULL;
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        assert_int_equal(disk_reader_open(paths[i], "qcow2", &reader, &err), -1);
        assert_err(&err, ERR_UNSUPPORTED, "absolute");
        assert_int_equal(disk_reader_open(paths[i], "raw", &reader, &err), -1);
        assert_err(&err, ERR_UNSUPPORTED, "absolute");
    }
}

static void odd_paths_work(void **state)
{
    const char *path = at("a b,c:d=%e \"f\".qcow2");
    struct disk_reader *reader = NULL;
    struct err err = ERR_INIT;

    (void)state;
    run("qemu-img", "create", "-q", "-f", "qcow2", path, "1M", NULL);
    assert_ok(disk_reader_open(path, "qcow2", &reader, &err), &err);
    assert_true(disk_reader_size(reader) == 1 << 20);
    disk_reader_close(reader);
}

static void folders_and_character_devices_are_refused(void **state)
{
    struct disk_reader *reader = NULL;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(disk_reader_open(at(""), "raw", &reader, &err), -1);
    assert_err(&err, ERR_UNSUPPORTED, "is a folder");
    assert_int_equal(disk_reader_open("/dev/zero", "raw", &reader, &err), -1);
    assert_err(&err, ERR_UNSUPPORTED, "neither a file nor a block device");
}

static void unknown_format_is_refused(void **state)
{
    struct disk_reader *reader = NULL;
    struct err err = ERR_INIT;

    (void)state;
    run("qemu-img", "create", "-q", "-f", "qcow2", at("u.qcow2"), "1M", NULL);
    assert_int_equal(disk_reader_open(at("u.qcow2"), "auto", &reader, &err), -1);
    assert_err(&err, ERR_UNSUPPORTED, "format 'auto'");
    assert_int_equal(disk_reader_open(at("u.qcow2"), "vdi", &reader, &err), -1);
    assert_err(&err, ERR_IO, "u.qcow2");
}

static void encrypted_image_is_refused(void **state)
{
    struct disk_reader *reader = NULL;
    struct err err = ERR_INIT;

    (void)state;
    run("qemu-img", "create", "-q", "-f", "qcow2", "--object", "secret,id=s,data=abc", "-o",
        "encrypt.format=aes,encrypt.key-secret=s", at("e.qcow2"), "1M", NULL);
    assert_int_equal(disk_reader_open(at("e.qcow2"), "qcow2", &reader, &err), -1);
    assert_err(&err, ERR_UNSUPPORTED, "encrypted");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_size_need_not_be_whole_sectors),
        cmocka_unit_test(raw_file_that_becomes_shorter_is_an_error),
        cmocka_unit_test(large_sparse_image_takes_few_questions),
        cmocka_unit_test(raw_image_with_a_qcow2_header_stays_raw),
        cmocka_unit_test(relative_and_protocol_paths_are_refused),
        cmocka_unit_test(odd_paths_work),
        cmocka_unit_test(folders_and_character_devices_are_refused),
        cmocka_unit_test(unknown_format_is_refused),
        cmocka_unit_test(encrypted_image_is_refused),
    };

    seed_start();
    return cmocka_run_group_tests_name("disk reader cases", tests, support_setup, support_teardown);
}
