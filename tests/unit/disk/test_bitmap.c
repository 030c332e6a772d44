/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a dirty bitmap says of an image, a server's and that of an image that nobody uses, with a real
 * qemu-nbd; and bitmaps added to images and removed from them.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "disk/bitmap.h"
#include "disk/reader.h"

#define SIZE (UINT64_C(16) << 20)

/* An image with data in its first half and a bitmap, and what was written after that was begun:
 * data, zeros, and data where nothing was. */
static const char *make_image_with_bitmap(void)
{
    const char *path = at("marked.qcow2");

    run("qemu-img", "create", "-q", "-f", "qcow2", path, "16M", NULL);
    run("qemu-io", "-f", "qcow2", "-c", "write -P 1 0 8M", path, NULL);
    run("qemu-img", "bitmap", "--add", "-f", "qcow2", path, "since", NULL);
    run("qemu-io", "-f", "qcow2", "-c", "write -P 2 1M 64K", "-c", "write -z 2M 128K", "-c",
        "write -P 3 10M 4K", path, NULL);
    return path;
}

static pid_t start_server(const char *image, const char *socket)
{
    CLEANUP_FREE char *pid_path = mem_printf("%s.pid", socket);
    char text[32] = "";

    run("qemu-nbd", "--fork", "--pid-file", pid_path, "-t", "-r", "-f", "qcow2", "-B", "since",
        "-x", "vda", "-k", socket, image, NULL);
    CLEANUP_FCLOSE FILE *file = fopen(pid_path, "re");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof(text), file));
    return (pid_t)strtol(text, NULL, 10);
}

/* No child of ours. */
static void stop_server(pid_t server)
{
    kill(server, SIGTERM);
    while (kill(server, 0) == 0)
        usleep(1000);
}

static int open_export(const char *bitmap, struct disk_reader **ret, struct err *err)
{
    struct disk_export export = {.path = "guest's disk", .name = "vda", .bitmap = bitmap};

    assert_ok(disk_export_connect(at("nbd.sock"), &export.socket, err), err);
    return disk_reader_open_export(&export, ret, err);
}

static char *map_of(struct disk_reader *reader)
{
    static const char *const names[] = {"data", "zero", "same", "same zero"};
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_BUF struct buf text = {0};
    struct disk_part part = {0};

    assert_true(disk_reader_size(reader) == SIZE);
    for (uint64_t offset = 0; offset < SIZE; offset += part.len) {
        assert_ok(disk_reader_map(reader, offset, &part, &err), &err);
        buf_printf(&text, "%llu KiB %s\n", (unsigned long long)part.len >> 10, names[part.kind]);
    }
    buf_append_str(&text, "");
    return buf_take_str(&text);
}

static char *map_text(const char *bitmap)
{
    CLEANUP(disk_reader_closep) struct disk_reader *reader = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;

    assert_ok(open_export(bitmap, &reader, &err), &err);
    return map_of(reader);
}

#define SINCE_MAP                                                                                  \
    "1024 KiB same\n64 KiB data\n960 KiB same\n128 KiB zero\n6016 KiB same\n"                      \
    "2048 KiB same zero\n64 KiB data\n6080 KiB same zero\n"

static void a_map_tells_what_is_the_same_as_before(void **state)
{
    const char *socket = at("nbd.sock");
    pid_t server;
    CLEANUP_ERR struct err err = ERR_INIT;
    struct disk_reader *reader = NULL;

    (void)state;
    need_program("qemu-nbd");
    server = start_server(make_image_with_bitmap(), socket);
    CLEANUP_FREE char *without = map_text(NULL);
    CLEANUP_FREE char *with = map_text("since");
    int opened = open_export("gone", &reader, &err);
    stop_server(server);
    assert_string_equal(without, "2048 KiB data\n128 KiB zero\n6016 KiB data\n2048 KiB zero\n"
                                 "64 KiB data\n6080 KiB zero\n");
    assert_string_equal(with, SINCE_MAP);
    assert_int_equal(opened, -1);
    assert_err(&err, ERR_NOT_FOUND,
               "guest's disk: the NBD server does not offer the dirty bitmap "
               "'gone'");
}

/* ---- of an image that nobody uses ---------------------------------------------------------------- */

static void check_bytes(struct disk_reader *reader, uint64_t offset, uint8_t wanted)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    uint8_t bytes[4096];

    assert_ok(disk_reader_read(reader, offset, bytes, sizeof(bytes), &err), &err);
    for (size_t i = 0; i < sizeof(bytes); i++)
        assert_int_equal(bytes[i], wanted);
}

static void an_image_that_nobody_uses_tells_what_is_the_same(void **state)
{
    const char *path = make_image_with_bitmap();
    CLEANUP(disk_reader_closep) struct disk_reader *reader = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    need_program("qemu-nbd");
    assert_ok(disk_reader_open_since(path, "since", &reader, &err), &err);
    CLEANUP_FREE char *map = map_of(reader);
    assert_string_equal(map, SINCE_MAP);
    check_bytes(reader, UINT64_C(1) << 20, 2);
    check_bytes(reader, UINT64_C(7) << 20, 1);
    check_bytes(reader, UINT64_C(10) << 20, 3);
    check_bytes(reader, UINT64_C(15) << 20, 0);
}

static enum disk_bitmap_state look(const char *path, const char *name)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    enum disk_bitmap_state ret = DISK_BITMAP_SOUND;

    assert_ok(disk_bitmap_look(path, name, &ret, &err), &err);
    return ret;
}

static void expect_not_since(const char *path, const char *name, enum err_kind kind)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct disk_reader *reader = NULL;

    assert_int_equal(disk_reader_open_since(path, name, &reader, &err), -1);
    assert_int_equal(err.kind, kind);
}

/* Its last writer was killed, it was switched off, or it is not there. */
static void a_bitmap_that_may_have_missed_something_is_not_believed(void **state)
{
    const char *path = make_image_with_bitmap();
    struct qemu_writer writer = qemu_writer_start(path, "qcow2");

    (void)state;
    need_program("qemu-nbd");
    kill(writer.pid, SIGKILL);
    qemu_writer_stop(&writer);
    assert_int_equal(look(path, "since"), DISK_BITMAP_BROKEN);
    expect_not_since(path, "since", ERR_CORRUPT);
    run("qemu-img", "bitmap", "--add", "-f", "qcow2", path, "off", NULL);
    assert_int_equal(look(path, "off"), DISK_BITMAP_SOUND);
    run("qemu-img", "bitmap", "--disable", "-f", "qcow2", path, "off", NULL);
    assert_int_equal(look(path, "off"), DISK_BITMAP_BROKEN);
    expect_not_since(path, "off", ERR_CORRUPT);
    assert_int_equal(look(path, "gone"), DISK_BITMAP_ABSENT);
    expect_not_since(path, "gone", ERR_NOT_FOUND);
}

/* ---- adding ------------------------------------------------------------------------------------ */

static void a_bitmap_that_is_added_notes_what_is_written(void **state)
{
    const char *path = make_image_with_bitmap();
    CLEANUP(disk_reader_closep) struct disk_reader *reader = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    need_program("qemu-nbd");
    assert_ok(disk_bitmap_add(path, "new", &err), &err);
    assert_int_equal(look(path, "new"), DISK_BITMAP_SOUND);
    run("qemu-io", "-f", "qcow2", "-c", "write -P 4 4M 4K", path, NULL);
    assert_ok(disk_reader_open_since(path, "new", &reader, &err), &err);
    CLEANUP_FREE char *map = map_of(reader);
    assert_string_equal(
        map, "2048 KiB same\n128 KiB same zero\n1920 KiB same\n64 KiB data\n4032 KiB same\n"
             "2048 KiB same zero\n64 KiB same\n6080 KiB same zero\n");
    /* It goes on beside the other. */
    assert_int_equal(look(path, "since"), DISK_BITMAP_SOUND);
}

static void expect_not_added(const char *path, const char *name, enum err_kind kind)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    assert_int_equal(disk_bitmap_add(path, name, &err), -1);
    assert_int_equal(err.kind, kind);
    assert_non_null(strstr(err.text, path));
}

static void a_bitmap_is_not_added_where_it_cannot_be(void **state)
{
    const char *path = make_image_with_bitmap();
    const char *old = at("old.qcow2");
    struct qemu_writer writer = qemu_writer_start(path, "qcow2");

    (void)state;
    expect_not_added(path, "new", ERR_BUSY);
    qemu_writer_stop(&writer);
    assert_int_equal(look(path, "new"), DISK_BITMAP_ABSENT);
    expect_not_added(path, "since", ERR_EXISTS);
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", "compat=0.10", old, "1M", NULL);
    expect_not_added(old, "new", ERR_UNSUPPORTED);
    expect_not_added(at("missing.qcow2"), "new", ERR_NOT_FOUND);
}

/* ---- removing ---------------------------------------------------------------------------------- */

static bool has_bitmap(const char *path, const char *name)
{
    CLEANUP_FREE char *info = run_output("qemu-img", "info", "-f", "qcow2", "-U", path, NULL);
    CLEANUP_FREE char *line = mem_printf("name: %s\n", name);

    return strstr(info, line);
}

static void a_bitmap_is_removed_and_nothing_else(void **state)
{
    const char *path = make_image_with_bitmap();
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    run("qemu-img", "bitmap", "--add", "-f", "qcow2", path, "other", NULL);
    assert_ok(disk_bitmap_remove(path, "since", &err), &err);
    assert_false(has_bitmap(path, "since"));
    assert_true(has_bitmap(path, "other"));
    assert_ok(disk_bitmap_remove(path, "since", &err), &err);
    run("qemu-img", "check", "-q", "-f", "qcow2", path, NULL);
    run("qemu-io", "-f", "qcow2", "-c", "read -P 2 1M 64K", "-c", "read -P 1 7M 1M", path, NULL);
}

/* That of a QEMU that was killed while it recorded. */
static void a_broken_bitmap_is_removed_too(void **state)
{
    const char *path = make_image_with_bitmap();
    CLEANUP_ERR struct err err = ERR_INIT;
    struct qemu_writer writer = qemu_writer_start(path, "qcow2");

    (void)state;
    kill(writer.pid, SIGKILL);
    qemu_writer_stop(&writer);
    CLEANUP_FREE char *info = run_output("qemu-img", "info", "-f", "qcow2", path, NULL);
    assert_non_null(strstr(info, "in-use"));
    assert_ok(disk_bitmap_remove(path, "since", &err), &err);
    assert_false(has_bitmap(path, "since"));
}

static void an_image_in_use_keeps_its_bitmap(void **state)
{
    const char *path = make_image_with_bitmap();
    CLEANUP_ERR struct err err = ERR_INIT;
    struct qemu_writer writer = qemu_writer_start(path, "qcow2");

    (void)state;
    int removed = disk_bitmap_remove(path, "since", &err);
    qemu_writer_stop(&writer);
    assert_int_equal(removed, -1);
    assert_int_equal(err.kind, ERR_BUSY);
    assert_true(has_bitmap(path, "since"));
}

/* Its base is gone, or in use as another guest's disk: what it is based on is not opened. */
static void the_base_of_an_image_does_not_matter(void **state)
{
    const char *base = make_image_with_bitmap();
    const char *path = at("overlay.qcow2");
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, path, NULL);
    run("qemu-img", "bitmap", "--add", "-f", "qcow2", path, "above", NULL);
    unlink(base);
    assert_ok(disk_bitmap_remove(path, "above", &err), &err);
    assert_int_equal(disk_bitmap_remove(base, "since", &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_tells_what_is_the_same_as_before),
        cmocka_unit_test(an_image_that_nobody_uses_tells_what_is_the_same),
        cmocka_unit_test(a_bitmap_that_may_have_missed_something_is_not_believed),
        cmocka_unit_test(a_bitmap_that_is_added_notes_what_is_written),
        cmocka_unit_test(a_bitmap_is_not_added_where_it_cannot_be),
        cmocka_unit_test(a_bitmap_is_removed_and_nothing_else),
        cmocka_unit_test(a_broken_bitmap_is_removed_too),
        cmocka_unit_test(an_image_in_use_keeps_its_bitmap),
        cmocka_unit_test(the_base_of_an_image_does_not_matter),
    };

    return cmocka_run_group_tests_name("bitmap", tests, support_setup, support_teardown);
}
