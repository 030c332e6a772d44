/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Renaming without replacing on file systems that lack something for it: the
 * program's calls of renameat2 and linkat come to this file.
 */
#include "unit.h"

#include <errno.h>
#include <sys/syscall.h>

#include "base/io.h"

static int rename_error; /* 0: as the system does it */
static int link_error;
static bool link_answer_lost; /* it is made, and said to exist */

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
    if (rename_error) {
        errno = rename_error;
        return -1;
    }
    return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    if (link_error) {
        errno = link_error;
        return -1;
    }
    int result = (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags);
    if (result == 0 && link_answer_lost) {
        errno = EEXIST;
        return -1;
    }
    return result;
}

static void check_renames(const struct scratch *scratch)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    scratch_write(scratch, "a", "new");
    assert_int_equal(io_rename(scratch->fd, "a", "b", false, &err), 0);
    scratch_assert_text(scratch, "b", "new");
    assert_int_equal(scratch_count(scratch), 1);
    assert_int_equal(unlinkat(scratch->fd, "b", 0), 0);
}

static void check_refuses(const struct scratch *scratch)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    scratch_write(scratch, "a", "new");
    scratch_write(scratch, "b", "old");
    assert_fails(io_rename(scratch->fd, "a", "b", false, &err), &err, ERR_EXISTS);
    scratch_assert_text(scratch, "a", "new");
    scratch_assert_text(scratch, "b", "old");
    assert_int_equal(unlinkat(scratch->fd, "a", 0), 0);
    assert_int_equal(unlinkat(scratch->fd, "b", 0), 0);
}

static void without_the_flag_a_link_is_made(void **state)
{
    rename_error = EINVAL;
    link_error = 0;
    check_renames(*state);
    check_refuses(*state);
}

static void without_links_the_name_is_reserved(void **state)
{
    static const int errors[] = {EPERM, EOPNOTSUPP, ENOSYS, EMLINK};

    rename_error = EINVAL;
    for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
        link_error = errors[i];
        check_renames(*state);
        check_refuses(*state);
    }
    link_error = 0;
}

static void a_reserved_name_is_given_up_when_the_rename_fails(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP_ERR struct err err = ERR_INIT;

    rename_error = EINVAL;
    link_error = EPERM;
    assert_fails(io_rename(scratch->fd, "gone", "b", false, &err), &err, ERR_NOT_FOUND);
    assert_int_equal(scratch_count(scratch), 0);
    link_error = 0;
}

static void a_link_whose_answer_was_lost_is_finished(void **state)
{
    rename_error = EINVAL;
    link_answer_lost = true;
    check_renames(*state);
    link_answer_lost = false;
    check_refuses(*state);
}

static void another_failure_is_one(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP_ERR struct err err = ERR_INIT;

    rename_error = EACCES;
    scratch_write(scratch, "a", "new");
    assert_fails(io_rename(scratch->fd, "a", "b", false, &err), &err, ERR_DENIED);
    err_clear(&err);
    rename_error = EINVAL;
    link_error = EIO;
    assert_fails(io_rename(scratch->fd, "a", "b", false, &err), &err, ERR_IO);
    assert_int_equal(scratch_count(scratch), 1);
    assert_int_equal(unlinkat(scratch->fd, "a", 0), 0);
    link_error = 0;
}

#define scratch_test(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(without_the_flag_a_link_is_made),
        scratch_test(without_links_the_name_is_reserved),
        scratch_test(a_reserved_name_is_given_up_when_the_rename_fails),
        scratch_test(a_link_whose_answer_was_lost_is_finished),
        scratch_test(another_failure_is_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
