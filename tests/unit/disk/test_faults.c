/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Read errors, a qemu-nbd that dies or is missing, signals.
 */
#include "support.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/quit.h"
#include "disk/reader.h"
#include "disk/writer.h"

static uint8_t data[8 << 20];

static const char *new_qcow2(const char *name)
{
    const char *path = at(name);

    run("qemu-img", "create", "-q", "-f", "qcow2", path, "8M", NULL);
    run("qemu-io", "-f", "qcow2", "-c", "write -P 1 0 8M", path, NULL);
    return path;
}

/* Its data can be read by nobody but QEMU. */
static const char *new_compressed(const char *name)
{
    const char *path = at(name);

    run("qemu-img", "create", "-q", "-f", "qcow2", path, "8M", NULL);
    run("qemu-io", "-f", "qcow2", "-c", "write -c -P 1 0 8M", path, NULL);
    return path;
}

/* Makes the entry of a guest cluster (of 64 KiB) in the only L2 table one that qemu
 * refuses to follow. */
static void damage_cluster(const char *path, unsigned cluster)
{
    uint8_t raw[8];
    struct err err = ERR_INIT;
    int fd = open(path, O_RDWR | O_CLOEXEC);

    assert_ok(io_pread(fd, raw, 8, 40, &err), &err); /* header: l1_table_offset */
    assert_ok(io_pread(fd, raw, 8, get_be64(raw), &err), &err);
    uint64_t entry = (get_be64(raw) & UINT64_C(0x00fffffffffffe00)) + cluster * 8;
    assert_ok(io_pread(fd, raw, 8, entry, &err), &err);
    raw[6] |= 0x02; /* no longer at a cluster's start */
    assert_ok(io_pwrite(fd, raw, 8, entry, &err), &err);
    close(fd);
}

static void damaged_cluster_is_a_read_error_with_its_offset(void **state)
{
    const char *path = new_qcow2("damaged");
    struct disk_reader *reader = NULL;
    struct err err = ERR_INIT;

    (void)state;
    damage_cluster(path, 64);
    damage_cluster(path, 100);
    assert_ok(disk_reader_open(path, "qcow2", &reader, &err), &err);
    assert_ok(disk_reader_read(reader, 0, data, 4 << 20, &err), &err);
    assert_int_equal(disk_reader_read(reader, 0, data, sizeof(data), &err), -1);
    assert_err(&err, ERR_IO, "damaged: cannot read at byte 4194304: Input/output error");
    /* Other parts can still be read. */
    assert_ok(disk_reader_read(reader, 5 << 20, data, 1 << 20, &err), &err);
    assert_int_equal(data[0], 1);
    disk_reader_close(reader);
}

/* A file of 1 MiB of which the second half cannot be read. */
static pid_t half_bad_file(const char *path)
{
    static const char server[] =
        "pread=if [ $4 -ge 524288 ]; then echo EIO bad >&2; exit 1; fi; head -c $3 /dev/zero";
    struct stat st;

    if (access("/dev/fuse", R_OK | W_OK) < 0)
        skip_because("there is no /dev/fuse");
    need_program("nbdfuse");
    need_program("nbdkit");
    close(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 2);
        execlp("nbdfuse", "nbdfuse", "--readonly", path, "[", "nbdkit", "--exit-with-parent",
               "eval", "get_size=echo 1048576", server, "]", (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 500 && waitpid(pid, NULL, WNOHANG) == 0; i++) {
        if (stat(path, &st) == 0 && st.st_size == 1 << 20)
            return pid;
        poll(NULL, 0, 20);
    }
    skip_because("nbdfuse does not run here");
    return -1;
}

static void read_error_of_a_raw_file_tells_the_offset(void **state)
{
    const char *path = at("half-bad");
    struct disk_reader *reader = NULL;
    struct err err = ERR_INIT;

    (void)state;
    need_root();
    pid_t fuse = half_bad_file(path);
    assert_ok(disk_reader_open(path, "raw", &reader, &err), &err);
    assert_ok(disk_reader_read(reader, 0, data, 262144, &err), &err);
    assert_int_equal(disk_reader_read(reader, 524288, data, 65536, &err), -1);
    disk_reader_close(reader);
    umount2(path, MNT_DETACH);
    waitpid(fuse, NULL, 0);
    assert_err(&err, ERR_IO, "half-bad: cannot read at byte 524288: Input/output error");
}

static void qemu_nbd_that_is_killed_is_told(void **state)
{
    const char *path = new_compressed("killed");
    struct disk_reader *reader = NULL;
    struct err err = ERR_INIT;

    (void)state;
    assert_ok(disk_reader_open(path, "qcow2", &reader, &err), &err);
    pid_t server = only_child();
    assert_true(server > 0);
    assert_int_equal(kill(server, SIGKILL), 0);
    assert_int_equal(disk_reader_read(reader, 0, data, sizeof(data), &err), -1);
    assert_err(&err, ERR_IO, "qemu-nbd was killed by signal 9");
    assert_int_equal(disk_reader_read(reader, 0, data, 512, &err), -1);
    assert_err(&err, ERR_IO, "killed: the connection");
    disk_reader_close(reader);
    assert_int_equal(only_child(), 0);
}

static void writer_whose_qemu_nbd_is_killed_leaves_nothing(void **state)
{
    struct disk_target target = {
        .path = at("half-written"), .format = "qcow2", .image_size = sizeof(data)};
    struct disk_writer *writer = NULL;
    struct err err = ERR_INIT;

    (void)state;
    memset(data, 1, sizeof(data));
    assert_ok(disk_writer_create(&target, &writer, &err), &err);
    assert_ok(disk_writer_write(writer, 0, data, 1 << 20, &err), &err);
    assert_int_equal(kill(only_child(), SIGKILL), 0);
    assert_int_equal(disk_writer_finish(writer, &err), -1);
    assert_err(&err, ERR_IO, "killed by signal 9");
    disk_writer_free(writer);
    assert_int_equal(access(target.path, F_OK), -1);
    assert_int_equal(only_child(), 0);
}

/* Ctrl-C goes to the terminal's foreground group, and qemu-nbd is not in it. */
static void ctrl_c_does_not_reach_qemu_nbd(void **state)
{
    const char *path = new_qcow2("group");
    struct disk_reader *reader = NULL;
    struct err err = ERR_INIT;

    (void)state;
    assert_ok(disk_reader_open(path, "qcow2", &reader, &err), &err);
    assert_int_not_equal(getpgid(only_child()), getpgrp());
    disk_reader_close(reader);
}

struct left {
    int server[2]; /* pipe: the process id of qemu-nbd */
    int hold[2];   /* pipe: closed to end who holds the connection */
};

/* Opens an image and leaves without closing it, while another process keeps the
 * connection open, so that qemu-nbd sees no end of it. */
static bool leave_open(void *opaque)
{
    struct disk_reader *reader = NULL;
    const struct left *left = opaque;
    char end;

    if (disk_reader_open(at("left"), "qcow2", &reader, NULL) < 0)
        return false;
    int server = only_child();
    pid_t pid = fork();
    if (pid == 0) {
        close(left->hold[1]);
        _exit(read(left->hold[0], &end, 1) == 0 ? 0 : 1);
    }
    return pid > 0 && write(left->server[1], &server, sizeof(server)) == sizeof(server);
}

static void qemu_nbd_ends_with_us(void **state)
{
    struct left left;
    int server = 0;
    bool gone = false;

    (void)state;
    new_qcow2("left");
    assert_int_equal(pipe2(left.server, O_CLOEXEC), 0);
    assert_int_equal(pipe2(left.hold, O_CLOEXEC), 0);
    assert_true(in_child(leave_open, &left));
    assert_int_equal(read(left.server[0], &server, sizeof(server)), sizeof(server));
    assert_true(server > 0);
    for (int i = 0; i < 500 && !gone; i++) {
        gone = kill(server, 0) < 0;
        if (!gone)
            poll(NULL, 0, 10);
    }
    for (int i = 0; i < 2; i++) {
        close(left.server[i]);
        close(left.hold[i]);
    }
    assert_true(gone);
}

static bool nothing_left_in(const char *folder)
{
    char *list = run_output("ls", folder, NULL);
    bool empty = list[0] == '\0';

    free(list);
    return empty;
}

static void sockets_are_gone_once_connected(void **state)
{
    const char *path = new_qcow2("socket");
    char *before = getenv("TMPDIR") ? strdup(getenv("TMPDIR")) : NULL;
    struct disk_reader *reader = NULL;
    struct err err = ERR_INIT;

    (void)state;
    run("mkdir", at("tmp"), NULL);
    setenv("TMPDIR", at("tmp"), 1);
    assert_ok(disk_reader_open(path, "qcow2", &reader, &err), &err);
    assert_true(nothing_left_in(at("tmp")));
    disk_reader_close(reader);
    if (before)
        setenv("TMPDIR", before, 1);
    else
        unsetenv("TMPDIR");
    free(before);
}

static void missing_qemu_nbd_is_told(void **state)
{
    const char *path = new_qcow2("tools");
    char *before = strdup(getenv("PATH"));
    struct disk_reader *reader = NULL;
    struct err err = ERR_INIT;

    (void)state;
    run("mkdir", at("bin"), NULL);
    run("sh", "-c", "ln -s \"$(command -v qemu-img)\" \"$0\"", at("bin/qemu-img"), NULL);
    setenv("PATH", at("bin"), 1);
    assert_int_equal(disk_reader_open(path, "qcow2", &reader, &err), -1);
    setenv("PATH", before, 1);
    free(before);
    assert_err(&err, ERR_NOT_FOUND, "qemu-nbd: cannot run it");
    assert_int_equal(only_child(), 0);
}

/* The last test: the flag that it raises stays up. */
static void signal_ends_the_wait(void **state)
{
    const char *path = new_compressed("signal");
    struct disk_reader *reader = NULL;
    struct err err = ERR_INIT;

    (void)state;
    assert_ok(quit_install(&err), &err);
    assert_ok(disk_reader_open(path, "qcow2", &reader, &err), &err);
    /* A server that does not answer any more. */
    assert_int_equal(kill(only_child(), SIGSTOP), 0);
    raise(SIGTERM);
    assert_int_equal(disk_reader_read(reader, 0, data, sizeof(data), &err), -1);
    assert_err(&err, ERR_CANCELLED, "signal: stopped by SIGTERM");
    disk_reader_close(reader);
    assert_int_equal(only_child(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_cluster_is_a_read_error_with_its_offset),
        cmocka_unit_test(read_error_of_a_raw_file_tells_the_offset),
        cmocka_unit_test(qemu_nbd_that_is_killed_is_told),
        cmocka_unit_test(writer_whose_qemu_nbd_is_killed_leaves_nothing),
        cmocka_unit_test(ctrl_c_does_not_reach_qemu_nbd),
        cmocka_unit_test(qemu_nbd_ends_with_us),
        cmocka_unit_test(sockets_are_gone_once_connected),
        cmocka_unit_test(missing_qemu_nbd_is_told),
        cmocka_unit_test(signal_ends_the_wait),
    };

    return cmocka_run_group_tests_name("disk faults", tests, support_setup, support_teardown);
}
