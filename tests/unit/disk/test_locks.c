/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Images are locked as QEMU locks them: with QEMU's own programs on the other side.
 */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk/reader.h"
#include "disk/writer.h"

static const char *new_image(const char *format)
{
    static unsigned number;
    const char *path = at_n("lock", number++);

    run("qemu-img", "create", "-q", "-f", format, path, "1M", NULL);
    return path;
}

static const char *const formats[] = {"raw", "qcow2"};

static void nobody_writes_while_we_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const char *path = new_image(formats[i]);
        struct disk_reader *reader = NULL;
        struct err err = ERR_INIT;
        assert_ok(disk_reader_open(path, formats[i], &reader, &err), &err);
        char *text = run_failing("qemu-io", "-f", formats[i], "-c", "write 0 512", path, NULL);
        assert_non_null(strstr(text, "Is another process using the image"));
        free(text);
        text = run_failing("qemu-img", "resize", "-q", "-f", formats[i], path, "2M", NULL);
        free(text);
        disk_reader_close(reader);
        run("qemu-io", "-f", formats[i], "-c", "write 0 512", path, NULL);
    }
}

static void others_read_while_we_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const char *path = new_image(formats[i]);
        struct disk_reader *reader = NULL;
        struct disk_reader *second = NULL;
        struct err err = ERR_INIT;
        assert_ok(disk_reader_open(path, formats[i], &reader, &err), &err);
        run("qemu-io", "-r", "-f", formats[i], "-c", "read 0 512", path, NULL);
        assert_ok(disk_reader_open(path, formats[i], &second, &err), &err);
        disk_reader_close(second);
        disk_reader_close(reader);
    }
}

static void image_of_a_running_guest_is_busy(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const char *path = new_image(formats[i]);
        struct disk_reader *reader = NULL;
        struct err err = ERR_INIT;
        struct qemu_writer guest = qemu_writer_start(path, formats[i]);
        assert_int_equal(disk_reader_open(path, formats[i], &reader, &err), -1);
        assert_err(&err, ERR_BUSY, "in use by a running guest");
        qemu_writer_stop(&guest);
        assert_ok(disk_reader_open(path, formats[i], &reader, &err), &err);
        disk_reader_close(reader);
    }
}

static void backing_file_is_locked_too(void **state)
{
    const char *base = new_image("raw");
    const char *top = at("overlay");
    struct disk_reader *reader = NULL;
    struct err err = ERR_INIT;

    (void)state;
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, top, NULL);
    assert_ok(disk_reader_open(top, "qcow2", &reader, &err), &err);
    free(run_failing("qemu-io", "-f", "raw", "-c", "write 0 512", base, NULL));
    disk_reader_close(reader);
    struct qemu_writer guest = qemu_writer_start(base, "raw");
    assert_int_equal(disk_reader_open(top, "qcow2", &reader, &err), -1);
    assert_err(&err, ERR_BUSY, "in use by a running guest");
    qemu_writer_stop(&guest);
}

/* As a process does that has copies of all that the reader holds. */
static void what_a_reader_holds_can_be_ended_by_another(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const char *path = new_image(formats[i]);
        struct disk_reader *reader = NULL;
        struct err err = ERR_INIT;
        struct disk_hold hold;
        size_t count = 0;
        assert_ok(disk_reader_open(path, formats[i], &reader, &err), &err);
        while (disk_reader_hold(reader, count, &hold)) {
            hold.fd = dup(hold.fd);
            assert_true(hold.fd >= 0);
            free(run_failing("qemu-io", "-f", formats[i], "-c", "write 0 512", path, NULL));
            disk_hold_end(&hold);
            close(hold.fd);
            count++;
        }
        assert_int_equal(count, i == 0 ? 1 : 2);
        run("qemu-io", "-f", formats[i], "-c", "write 0 512", path, NULL);
        disk_reader_close(reader);
    }
}

/* Closing would not end the lock while the other process is slow to close its copy. */
static void a_copy_of_a_closed_reader_locks_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const char *path = new_image(formats[i]);
        struct disk_reader *reader = NULL;
        struct err err = ERR_INIT;
        struct disk_hold hold;
        assert_ok(disk_reader_open(path, formats[i], &reader, &err), &err);
        assert_true(disk_reader_hold(reader, 0, &hold));
        int copy = dup(hold.fd);
        disk_reader_close(reader);
        run("qemu-io", "-f", formats[i], "-c", "write 0 512", path, NULL);
        close(copy);
    }
}

static void nobody_uses_what_we_write(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct disk_target target = {
            .path = at_n("target", i), .format = formats[i], .image_size = 1 << 20};
        struct disk_writer *writer = NULL;
        struct err err = ERR_INIT;
        assert_ok(disk_writer_create(&target, &writer, &err), &err);
        free(run_failing("qemu-io", "-f", formats[i], "-c", "write 0 512", target.path, NULL));
        assert_ok(disk_writer_finish(writer, &err), &err);
        /* Released by finish. */
        run("qemu-io", "-f", formats[i], "-c", "write 0 512", target.path, NULL);
        disk_writer_free(writer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_writes_while_we_read),
        cmocka_unit_test(others_read_while_we_read),
        cmocka_unit_test(image_of_a_running_guest_is_busy),
        cmocka_unit_test(backing_file_is_locked_too),
        cmocka_unit_test(what_a_reader_holds_can_be_ended_by_another),
        cmocka_unit_test(a_copy_of_a_closed_reader_locks_nothing),
        cmocka_unit_test(nobody_uses_what_we_write),
    };

    return cmocka_run_group_tests_name("disk locks", tests, support_setup, support_teardown);
}
