/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is made in a private folder gets its final name without taking anybody's place. Calls
 * of the C library are made to fail as on file systems that lack them.
 */
#include "unit.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>

#include "base/io.h"
#include "base/private_folder.h"

static bool no_noreplace;
static bool no_links;
static bool link_answers_late; /* it is done, and the answer is that the name is taken */

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    static int (*next)(int, const char *, int, const char *, unsigned);

    if (no_noreplace) {
        errno = EINVAL;
        return -1;
    }
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "renameat2");
    return next(from_dir, from, to_dir, to, flags);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    static int (*next)(int, const char *, int, const char *, int);

    if (no_links) {
        errno = EPERM;
        return -1;
    }
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "linkat");
    int result = next(from_dir, from, to_dir, to, flags);
    if (result == 0 && link_answers_late) {
        errno = EEXIST;
        return -1;
    }
    return result;
}

static struct private_folder make(const struct scratch *scratch)
{
    struct private_folder folder;

    no_noreplace = no_links = link_answers_late = false;
    assert_int_equal(private_folder_plan(scratch->path, &folder, NULL), 0);
    assert_int_equal(private_folder_make(&folder, NULL), 0);
    return folder;
}

static void write_in(const struct private_folder *folder, const char *name, const char *text)
{
    CLEANUP_CLOSE int fd = openat(folder->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(io_write(fd, text, strlen(text), NULL), 0);
}

static void end(const struct scratch *scratch, struct private_folder *folder, const char *name)
{
    assert_int_equal(private_folder_remove(folder, NULL), 0);
    assert_int_equal(faccessat(scratch->fd, folder->name, F_OK, AT_SYMLINK_NOFOLLOW), -1);
    private_folder_clear(folder);
    (void)unlinkat(scratch->fd, name, 0);
}

static void only_we_may_enter_it(void **state)
{
    struct private_folder folder = make(*state);
    struct stat st;

    assert_int_equal(fstat(folder.fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    end(*state, &folder, "");
}

static void publish_all_ways(const struct scratch *scratch, bool taken)
{
    for (int way = 0; way < 4; way++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        struct private_folder folder = make(scratch);
        struct file_id reserved;
        write_in(&folder, "disk", "new");
        if (taken)
            scratch_write(scratch, "disk", "another's");
        no_noreplace = way > 0;
        link_answers_late = way == 2;
        no_links = way == 3;
        int result = private_folder_publish(&folder, "disk", &reserved, &err);
        assert_int_equal(result, taken ? -1 : 0);
        if (!taken) {
            assert_int_equal(reserved.inode != 0, way == 3);
            if (reserved.inode)
                assert_int_equal(private_folder_publish_over(&folder, "disk", &reserved, &err), 0);
        } else {
            assert_int_equal(err.kind, ERR_EXISTS);
        }
        scratch_assert_text(scratch, "disk", taken ? "another's" : "new");
        end(scratch, &folder, "disk");
    }
}

static void it_gets_its_name_on_any_file_system(void **state)
{
    publish_all_ways(*state, false);
}

static void a_name_that_is_taken_is_left_on_any_file_system(void **state)
{
    publish_all_ways(*state, true);
}

static void what_takes_the_place_of_the_reservation_stays(void **state)
{
    const struct scratch *scratch = *state;
    struct private_folder folder = make(scratch);
    CLEANUP_ERR struct err err = ERR_INIT;
    struct file_id reserved;

    write_in(&folder, "disk", "new");
    no_noreplace = no_links = true;
    assert_int_equal(private_folder_publish(&folder, "disk", &reserved, &err), 0);
    assert_int_equal(unlinkat(scratch->fd, "disk", 0), 0);
    scratch_write(scratch, "disk", "another's");
    assert_fails(private_folder_publish_over(&folder, "disk", &reserved, &err), &err, ERR_EXISTS);
    scratch_assert_text(scratch, "disk", "another's");
    end(scratch, &folder, "disk");
}

static void a_folder_gets_its_name_too(void **state)
{
    const struct scratch *scratch = *state;

    for (int way = 0; way < 2; way++) {
        struct private_folder folder = make(scratch);
        CLEANUP_ERR struct err err = ERR_INIT;
        struct file_id reserved;
        assert_int_equal(mkdirat(folder.fd, "state", 0700), 0);
        write_in(&folder, "state/file", "x");
        no_noreplace = way > 0;
        assert_int_equal(private_folder_publish(&folder, "state", &reserved, &err), 0);
        if (reserved.inode)
            assert_int_equal(private_folder_publish_over(&folder, "state", &reserved, &err), 0);
        assert_int_equal(unlinkat(scratch->fd, "state/file", 0), 0);
        assert_int_equal(unlinkat(scratch->fd, "state", AT_REMOVEDIR), 0);
        end(scratch, &folder, "");
    }
}

static void all_that_is_left_in_it_goes_with_it(void **state)
{
    struct private_folder folder = make(*state);

    write_in(&folder, "disk", "new");
    assert_int_equal(mkdirat(folder.fd, "state", 0700), 0);
    assert_int_equal(mkdirat(folder.fd, "state/inner", 0700), 0);
    assert_int_equal(symlinkat("/etc", folder.fd, "link"), 0);
    end(*state, &folder, "");
    assert_int_equal(access("/etc/passwd", F_OK), 0);
}

/* Somebody has moved it away, and put another folder, or a link to one, under its name. */
static void what_lies_in_another_folder_of_its_name_stays(void **state)
{
    const struct scratch *scratch = *state;
    struct private_folder folder = make(scratch);

    assert_int_equal(renameat(scratch->fd, folder.name, scratch->fd, "away"), 0);
    assert_int_equal(mkdirat(scratch->fd, "other", 0700), 0);
    scratch_write(scratch, "other/file", "another's");
    for (int link = 0; link < 2; link++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        assert_int_equal(link ? symlinkat("other", scratch->fd, folder.name)
                              : renameat(scratch->fd, "other", scratch->fd, folder.name),
                         0);
        assert_int_equal(private_folder_remove_at(scratch->fd, folder.name, &folder.id, &err), -1);
        err_clear(&err);
        assert_int_equal(
            private_folder_remove_at(scratch->fd, folder.name, &(struct file_id){0}, &err), -1);
        if (!link)
            assert_int_equal(renameat(scratch->fd, folder.name, scratch->fd, "other"), 0);
        scratch_assert_text(scratch, "other/file", "another's");
    }
    assert_int_equal(unlinkat(scratch->fd, folder.name, 0), 0);
    assert_int_equal(unlinkat(scratch->fd, "other/file", 0), 0);
    assert_int_equal(unlinkat(scratch->fd, "other", AT_REMOVEDIR), 0);
    assert_int_equal(renameat(scratch->fd, "away", scratch->fd, folder.name), 0);
    end(scratch, &folder, "");
}

#define scratch_test(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(only_we_may_enter_it),
        scratch_test(it_gets_its_name_on_any_file_system),
        scratch_test(a_name_that_is_taken_is_left_on_any_file_system),
        scratch_test(what_takes_the_place_of_the_reservation_stays),
        scratch_test(a_folder_gets_its_name_too),
        scratch_test(all_that_is_left_in_it_goes_with_it),
        scratch_test(what_lies_in_another_folder_of_its_name_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
