/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <sys/resource.h>
#include <signal.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/io.h"

static void short_input_is_an_error_unless_asked_for(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_CLOSE int fd = -1;
    char data[16];
    size_t len = 0;

    scratch_write(scratch, "f", "0123456789");
    assert_int_equal(io_open_in(scratch->fd, "f", O_RDONLY, 0, &fd, NULL), 0);
    assert_int_equal(io_read_some(fd, data, 16, &len, NULL), 0);
    assert_int_equal(len, 10);
    assert_memory_equal(data, "0123456789", 10);
    assert_int_equal(io_pread_some(fd, data, 16, 4, &len, NULL), 0);
    assert_int_equal(len, 6);
    assert_fails(io_pread(fd, data, 16, 4, &err), &err, ERR_CORRUPT);
    assert_string_equal(err.text, "ends too early: 10 bytes are missing at byte 10");
    assert_int_equal(io_read_some(fd, data, 1, &len, NULL), 0);
    assert_int_equal(len, 0);
}

static void a_stream_that_comes_in_pieces_is_read_whole(void **state)
{
    int ends[2];
    char data[8] = {0};
    size_t len = 0;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(io_write(ends[0], &(char[2]){(char)('a' + i), '.'}, 2, NULL), 0);
    close(ends[0]);
    assert_int_equal(io_read_some(ends[1], data, 8, &len, NULL), 0);
    assert_int_equal(len, 8);
    close(ends[1]);
    assert_memory_equal(data, "a.b.c.d.", 8);
}

static void writing_at_an_offset_leaves_the_rest(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP_CLOSE int fd = -1;

    scratch_write(scratch, "f", "0123456789");
    assert_int_equal(io_open_in(scratch->fd, "f", O_RDWR, 0, &fd, NULL), 0);
    assert_int_equal(io_pwrite(fd, "xy", 2, 3, NULL), 0);
    scratch_assert_text(scratch, "f", "012xy56789");
}

static void a_full_device_is_told_as_no_space(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_CLOSE int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

    (void)state;
    assert_true(fd >= 0);
    assert_fails(io_write(fd, "x", 1, &err), &err, ERR_NO_SPACE);
    assert_string_equal(err.text, "cannot write: No space left on device");
}

static void names_that_leave_the_folder_are_refused(void **state)
{
    static const char *const names[] = {"", ".", "..", "a/b", "/etc/passwd", "../x"};
    const struct scratch *scratch = *state;
    int fd = 77;

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        assert_fails(io_open_in(scratch->fd, names[i], O_RDONLY, 0, &fd, &err), &err, ERR_CORRUPT);
        assert_text_has(err.text, "is not a plain file name");
        assert_int_equal(fd, 77);
    }
}

static void symbolic_links_are_not_followed(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP_ERR struct err err = ERR_INIT;
    int fd = 77;

    scratch_write(scratch, "secret", "s");
    assert_int_equal(symlinkat("secret", scratch->fd, "link"), 0);
    assert_fails(io_open_in(scratch->fd, "link", O_RDONLY, 0, &fd, &err), &err, ERR_CORRUPT);
    assert_string_equal(err.text, "is a symbolic link");
    assert_fails(io_open_in(scratch->fd, "link", O_RDWR | O_CREAT | O_TRUNC, 0600, &fd, &err), &err,
                 ERR_CORRUPT);
    scratch_assert_text(scratch, "secret", "s");
}

static void a_fifo_is_refused_without_waiting(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP_ERR struct err err = ERR_INIT;
    int fd = 77;

    assert_int_equal(mkfifoat(scratch->fd, "fifo", 0600), 0);
    /* Nobody has the other end open: a plain open would block for ever. */
    assert_fails(io_open_in(scratch->fd, "fifo", O_RDONLY, 0, &fd, &err), &err, ERR_CORRUPT);
    assert_string_equal(err.text, "is not a regular file");
    assert_fails(io_open_in(scratch->fd, "fifo", O_WRONLY, 0, &fd, &err), &err, ERR_CORRUPT);
    assert_int_equal(fd, 77);
}

static void a_socket_is_no_regular_file(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP_ERR struct err err = ERR_INIT;
    int fd = 77;

    assert_int_equal(mknodat(scratch->fd, "socket", S_IFSOCK | 0600, 0), 0);
    assert_fails(io_open_in(scratch->fd, "socket", O_RDONLY, 0, &fd, &err), &err, ERR_CORRUPT);
    assert_string_equal(err.text, "is not a regular file");
    assert_int_equal(fd, 77);
}

static void what_is_opened_is_not_inherited(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP_CLOSE int fd = -1;

    assert_int_equal(io_open_in(scratch->fd, "new", O_RDWR | O_CREAT | O_EXCL, 0600, &fd, NULL), 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void small_files_are_read_whole_and_large_ones_refused(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_FREE char *data = NULL;
    size_t len = 0;

    scratch_write(scratch, "f", "0123456789");
    assert_int_equal(io_read_file(scratch->fd, "f", 10, &data, &len, NULL), 0);
    assert_int_equal(len, 10);
    assert_string_equal(data, "0123456789"); /* with a NUL behind it */
    char *before = data;
    assert_fails(io_read_file(scratch->fd, "f", 9, &data, &len, &err), &err, ERR_CORRUPT);
    assert_ptr_equal(data, before);
    assert_fails(io_read_file(scratch->fd, "none", 9, &data, &len, &err), &err, ERR_NOT_FOUND);
}

static void zeros_are_recognised_at_every_length(void **state)
{
    uint8_t data[100] = {0};

    (void)state;
    for (size_t len = 0; len <= sizeof(data); len++) {
        assert_true(io_is_zero(data, len));
        for (size_t i = 0; i < len; i++) {
            data[i] = 1;
            assert_false(io_is_zero(data, len));
            data[i] = 0;
        }
        if (len < sizeof(data)) { /* what stands behind does not count */
            data[len] = 1;
            assert_true(io_is_zero(data, len));
            data[len] = 0;
        }
    }
}

static void renaming_refuses_an_existing_name_unless_told(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP_ERR struct err err = ERR_INIT;

    scratch_write(scratch, "a", "new");
    scratch_write(scratch, "b", "old");
    assert_fails(io_rename(scratch->fd, "a", "b", false, &err), &err, ERR_EXISTS);
    scratch_assert_text(scratch, "b", "old");
    scratch_assert_text(scratch, "a", "new");
    assert_int_equal(io_rename(scratch->fd, "a", "b", true, NULL), 0);
    scratch_assert_text(scratch, "b", "new");
    assert_int_equal(faccessat(scratch->fd, "a", F_OK, 0), -1);
    assert_int_equal(io_rename(scratch->fd, "b", "c", false, NULL), 0);
    scratch_assert_text(scratch, "c", "new");
}

static int publish(const struct scratch *scratch, const char *text, bool replace, struct err *err)
{
    const struct io_file file = {"m", text, strlen(text), .mode = 0600, .replace = replace};

    return io_publish(scratch->fd, &file, err);
}

static void publishing_leaves_the_file_and_nothing_else(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP_ERR struct err err = ERR_INIT;
    struct stat st;

    assert_int_equal(publish(scratch, "one", false, NULL), 0);
    scratch_assert_text(scratch, "m", "one");
    assert_int_equal(fstatat(scratch->fd, "m", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_fails(publish(scratch, "two", false, &err), &err, ERR_EXISTS);
    scratch_assert_text(scratch, "m", "one");
    assert_int_equal(publish(scratch, "three", true, NULL), 0);
    scratch_assert_text(scratch, "m", "three");
    assert_int_equal(scratch_count(scratch), 1);
}

static void publishing_that_fails_half_way_leaves_nothing(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP_ERR struct err err = ERR_INIT;
    const struct rlimit small = {4, RLIM_INFINITY};
    struct rlimit old;

    getrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    int result = publish(scratch, "too long", false, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
    assert_fails(result, &err, ERR_NO_SPACE);
    assert_int_equal(scratch_count(scratch), 0);
}

static void flushing_and_free_space_work_on_a_real_folder(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP_CLOSE int fd = -1;
    uint64_t bytes = 0;

    assert_int_equal(io_open_in(scratch->fd, "f", O_WRONLY | O_CREAT, 0600, &fd, NULL), 0);
    assert_int_equal(io_sync(fd, NULL), 0);
    assert_int_equal(io_sync_dir(scratch->fd, NULL), 0);
    assert_int_equal(io_free_space(scratch->fd, &bytes, NULL), 0);
    assert_true(bytes > 0);
}

static void a_folder_that_is_none_is_refused(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP_ERR struct err err = ERR_INIT;
    char path[300];
    int fd = 77;

    scratch_write(scratch, "f", "");
    snprintf(path, sizeof(path), "%s/f", scratch->path);
    assert_fails(io_open_dir(path, &fd, &err), &err, ERR_NOT_FOUND);
    assert_int_equal(fd, 77);
    assert_int_equal(io_open_dir(scratch->path, &fd, NULL), 0);
    close(fd);
}

#define scratch_test(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(short_input_is_an_error_unless_asked_for),
        cmocka_unit_test(a_stream_that_comes_in_pieces_is_read_whole),
        scratch_test(writing_at_an_offset_leaves_the_rest),
        cmocka_unit_test(a_full_device_is_told_as_no_space),
        scratch_test(names_that_leave_the_folder_are_refused),
        scratch_test(symbolic_links_are_not_followed),
        scratch_test(a_fifo_is_refused_without_waiting),
        scratch_test(a_socket_is_no_regular_file),
        scratch_test(what_is_opened_is_not_inherited),
        scratch_test(small_files_are_read_whole_and_large_ones_refused),
        cmocka_unit_test(zeros_are_recognised_at_every_length),
        scratch_test(renaming_refuses_an_existing_name_unless_told),
        scratch_test(publishing_leaves_the_file_and_nothing_else),
        scratch_test(publishing_that_fails_half_way_leaves_nothing),
        scratch_test(flushing_and_free_space_work_on_a_real_folder),
        scratch_test(a_folder_that_is_none_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
