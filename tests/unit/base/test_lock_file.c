/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/lock_file.h"

static char folder[] = "/tmp/lock-file.XXXXXX";
static int dir_fd = -1;

static int open_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir_fd < 0 ? -1 : 0;
}

static int remove_folder(void **state)
{
    (void)state;
    close(dir_fd);
    return rmdir(folder);
}

static void one_at_a_time_holds_it(void **state)
{
    struct lock_file *lock = NULL;
    struct lock_file *other = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_FREE char *pid = mem_printf("by virt-backup (pid %ld)", (long)getpid());

    (void)state;
    assert_false(lock_file_is_held(dir_fd, "web.lock"));
    assert_int_equal(lock_file_take(dir_fd, "web.lock", 0, &lock, &err), 0);
    assert_true(lock_file_is_held(dir_fd, "web.lock"));
    assert_int_equal(lock_file_take(dir_fd, "web.lock", 0, &other, &err), -1);
    assert_int_equal(err.kind, ERR_BUSY);
    assert_non_null(strstr(err.text, "in use since 2"));
    assert_non_null(strstr(err.text, pid));
    err_clear(&err);
    assert_int_equal(lock_file_take(dir_fd, "db.lock", 0, &other, &err), 0);
    lock_file_release(other);
    lock_file_release(lock);
    assert_false(lock_file_is_held(dir_fd, "web.lock"));
    assert_int_equal(faccessat(dir_fd, "web.lock", F_OK, 0), -1);
}

/* Takes the lock in a child, tells so, and keeps it until it is killed. */
static pid_t hold_in_child(int *ret_pipe)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct lock_file *lock = NULL;
        int result = lock_file_take(dir_fd, "web.lock", 0, &lock, NULL);
        (void)!write(ends[1], "x", 1);
        for (;;)
            pause();
        _exit(result);
    }
    assert_true(pid > 0);
    close(ends[1]);
    *ret_pipe = ends[0];
    return pid;
}

static void a_dead_holders_file_is_locked_anew(void **state)
{
    struct lock_file *lock = NULL;
    CLEANUP_CLOSE int told = -1;
    CLEANUP_ERR struct err err = ERR_INIT;
    char byte = 0;
    pid_t pid = hold_in_child(&told);

    (void)state;
    assert_int_equal(read(told, &byte, 1), 1);
    assert_int_equal(lock_file_take(dir_fd, "web.lock", 0, &lock, &err), -1);
    assert_int_equal(err.kind, ERR_BUSY);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(faccessat(dir_fd, "web.lock", F_OK, 0), 0);
    assert_false(lock_file_is_held(dir_fd, "web.lock"));
    assert_int_equal(lock_file_take(dir_fd, "web.lock", 0, &lock, NULL), 0);
    lock_file_release(lock);
}

static void who_waits_gets_it_when_it_is_free(void **state)
{
    struct lock_file *lock = NULL;
    CLEANUP_CLOSE int told = -1;
    char byte = 0;
    pid_t holder = hold_in_child(&told);

    (void)state;
    assert_int_equal(read(told, &byte, 1), 1);
    pid_t waiter = fork();
    if (waiter == 0)
        _exit(lock_file_take(dir_fd, "web.lock", LOCK_FILE_FOREVER, &lock, NULL) == 0 ? 7 : 1);
    assert_true(waiter > 0);
    assert_int_equal(waitpid(waiter, NULL, WNOHANG), 0);
    assert_int_equal(kill(holder, SIGKILL), 0);
    assert_int_equal(waitpid(holder, NULL, 0), holder);
    int status = 0;
    assert_int_equal(waitpid(waiter, &status, 0), waiter);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_int_equal(unlinkat(dir_fd, "web.lock", 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_at_a_time_holds_it),
        cmocka_unit_test(a_dead_holders_file_is_locked_anew),
        cmocka_unit_test(who_waits_gets_it_when_it_is_free),
    };

    return cmocka_run_group_tests_name("lock file", tests, open_folder, remove_folder);
}
