/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The host's key: made once, and kept from others. Tried as the user that the test runs as,
 * in a state directory of its own.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/process.h"
#include "ops/host_key.h"

#define NOBODY 65534

static char place[] = "/tmp/virt-backup-key.XXXXXX";
static char *folder;

/* Root has a place that is the host's own: as another user there is one of the test's. */
static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(place) || setenv("XDG_STATE_HOME", place, 1) < 0)
        return -1;
    if (geteuid() == 0 &&
        (chown(place, NOBODY, NOBODY) < 0 || setegid(NOBODY) < 0 || seteuid(NOBODY) < 0))
        return -1;
    folder = mem_printf("%s/virt-backup-key", place);
    return 0;
}

static int remove_key(void **state)
{
    CLEANUP_FREE char *file = mem_printf("%s/seal", folder);

    (void)state;
    (void)unlink(file);
    (void)rmdir(file);
    (void)unlink(folder);
    (void)rmdir(folder);
    return 0;
}

static int tear_down(void **state)
{
    remove_key(state);
    if (geteuid() == NOBODY && (seteuid(0) < 0 || setegid(0) < 0))
        return -1;
    free(folder);
    return rmdir(place);
}

static struct seal_key *open_key(bool make)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct seal_key *key = NULL;

    if (host_key_open(make, &key, &err) < 0)
        fail_msg("%s", err.text);
    return key;
}

static void check_refused(bool make, enum err_kind kind, const char *part)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct seal_key *key = NULL;

    assert_int_equal(host_key_open(make, &key, &err), -1);
    assert_null(key);
    if (err.kind != kind || !strstr(err.text, part) || !strstr(err.text, folder))
        fail_msg("%s (%s)", err.text, err_kind_name(err.kind));
}

static void check_mode(const char *path, mode_t mode)
{
    struct stat st;

    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(st.st_mode, mode);
}

static void reading_makes_nothing(void **state)
{
    (void)state;
    assert_null(open_key(false));
    assert_int_equal(access(folder, F_OK), -1);
}

static void the_first_backup_makes_it_and_all_others_find_it(void **state)
{
    CLEANUP_FREE char *file = mem_printf("%s/seal", folder);
    CLEANUP(host_key_freep) struct seal_key *made = open_key(true);
    CLEANUP(host_key_freep) struct seal_key *again = open_key(true);
    CLEANUP(host_key_freep) struct seal_key *read = open_key(false);
    static const struct seal_key zeros = {{0}};

    (void)state;
    check_mode(folder, S_IFDIR | 0700);
    check_mode(file, S_IFREG | 0600);
    assert_memory_not_equal(made, &zeros, sizeof(zeros));
    assert_memory_equal(made, again, sizeof(*made));
    assert_memory_equal(made, read, sizeof(*made));
}

static void two_keys_are_not_alike(void **state)
{
    CLEANUP(host_key_freep) struct seal_key *first = open_key(true);

    remove_key(state);
    CLEANUP(host_key_freep) struct seal_key *second = open_key(true);
    assert_memory_not_equal(first, second, sizeof(*first));
}

static void backups_that_begin_together_share_one(void **state)
{
    int ends[2];
    pid_t children[8];
    struct seal_key keys[8];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    for (size_t i = 0; i < 8; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            struct seal_key *key = NULL;
            int failed = host_key_open(true, &key, NULL) < 0 ||
                         write(ends[1], key, sizeof(*key)) != (ssize_t)sizeof(*key);
            _exit(failed);
        }
    }
    for (size_t i = 0; i < 8; i++) {
        int status = 0;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
        assert_int_equal(read(ends[0], &keys[i], sizeof(keys[i])), sizeof(keys[i]));
        assert_memory_equal(&keys[i], &keys[0], sizeof(keys[0]));
    }
    close(ends[0]);
    close(ends[1]);
}

static void what_a_dead_run_has_left_goes_with_the_next(void **state)
{
    CLEANUP_FREE char *left = mem_printf("%s/.seal.4711.new", folder);
    CLEANUP(host_key_freep) struct seal_key *made = open_key(true);

    (void)state;
    close(open(left, O_WRONLY | O_CREAT, 0600));
    CLEANUP(host_key_freep) struct seal_key *read = open_key(false);
    assert_memory_equal(made, read, sizeof(*made));
    assert_int_equal(access(left, F_OK), 0);
    CLEANUP(host_key_freep) struct seal_key *again = open_key(true);
    assert_int_equal(access(left, F_OK), -1);
    assert_memory_equal(made, again, sizeof(*made));
}

static void what_others_can_read_is_refused(void **state)
{
    CLEANUP_FREE char *file = mem_printf("%s/seal", folder);
    CLEANUP(host_key_freep) struct seal_key *made = open_key(true);

    (void)state;
    assert_non_null(made);
    assert_int_equal(chmod(file, 0640), 0);
    check_refused(true, ERR_DENIED, "the file must belong to you");
    assert_int_equal(chmod(file, 0600), 0);
    assert_int_equal(chmod(folder, 0755), 0);
    check_refused(false, ERR_DENIED, "the folder must belong to you");
}

static void what_is_no_key_is_refused_and_kept(void **state)
{
    CLEANUP_FREE char *file = mem_printf("%s/seal", folder);
    CLEANUP(host_key_freep) struct seal_key *made = open_key(true);

    (void)state;
    assert_non_null(made);
    assert_int_equal(truncate(file, 31), 0);
    check_refused(true, ERR_CORRUPT, "31 bytes long");
    assert_int_equal(truncate(file, 0), 0);
    check_refused(true, ERR_CORRUPT, "0 bytes long");
    assert_int_equal(unlink(file), 0);
    assert_int_equal(symlink("/etc/hostname", file), 0);
    check_refused(true, ERR_CORRUPT, "symbolic link");
    assert_int_equal(unlink(file), 0);
    assert_int_equal(mkdir(file, 0700), 0);
    check_refused(true, ERR_CORRUPT, "not a regular file");
}

static void a_link_in_the_folders_place_is_refused(void **state)
{
    (void)state;
    assert_int_equal(symlink("/tmp", folder), 0);
    check_refused(true, ERR_DENIED, "is not a folder");
    check_refused(false, ERR_DENIED, "is not a folder");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(reading_makes_nothing, remove_key),
        cmocka_unit_test_teardown(the_first_backup_makes_it_and_all_others_find_it, remove_key),
        cmocka_unit_test_teardown(two_keys_are_not_alike, remove_key),
        cmocka_unit_test_teardown(backups_that_begin_together_share_one, remove_key),
        cmocka_unit_test_teardown(what_a_dead_run_has_left_goes_with_the_next, remove_key),
        cmocka_unit_test_teardown(what_others_can_read_is_refused, remove_key),
        cmocka_unit_test_teardown(what_is_no_key_is_refused_and_kept, remove_key),
        cmocka_unit_test_teardown(a_link_in_the_folders_place_is_refused, remove_key),
    };

    return cmocka_run_group_tests_name("host key", tests, set_up, tear_down);
}
