/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Locks in a folder whose file system is full at times: still one at a time holds a file.
 */
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/lock_file.h"

#define HOLDERS 4
#define ROUNDS 1000

static char folder[] = "/tmp/lock-room.XXXXXX";

static struct shared {
    _Atomic int inside;
    _Atomic int collisions;
    _Atomic int without_file;
    _Atomic int with_file;
} *shared;

/* A tmpfs with room for one file, in a mount namespace of this process. */
static int mount_small(void)
{
    assert_non_null(mkdtemp(folder));
    assert_int_equal(unshare(CLONE_NEWNS), 0);
    assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    assert_int_equal(mount("tmpfs", folder, "tmpfs", 0, "nr_inodes=2,mode=0700"), 0);
    return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void take_or_give_room(int dir_fd, bool take)
{
    CLEANUP_CLOSE int fd = -1;

    if (take)
        fd = openat(dir_fd, "ballast", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    else
        (void)unlinkat(dir_fd, "ballast", 0);
}

static struct lock_file *take_without_sleep(int dir_fd)
{
    for (;;) {
        CLEANUP_ERR struct err err = ERR_INIT;
        struct lock_file *lock = NULL;
        if (lock_file_take_under(dir_fd, "web.lock", true, 0, &lock, &err) == 0)
            return lock;
        if (err.kind != ERR_BUSY)
            _exit(1);
        sched_yield();
    }
}

static void take_again_and_again(int dir_fd)
{
    for (int i = 0; i < ROUNDS; i++) {
        take_or_give_room(dir_fd, i / 2 % 2);
        struct lock_file *lock = take_without_sleep(dir_fd);
        if (shared->inside++ != 0)
            shared->collisions++;
        if (faccessat(dir_fd, "web.lock", F_OK, 0) == 0)
            shared->with_file++;
        else
            shared->without_file++;
        sched_yield();
        shared->inside--;
        lock_file_release(lock);
    }
    _exit(0);
}

static void one_at_a_time_holds_it_while_room_comes_and_goes(void **state)
{
    pid_t holders[HOLDERS];
    int status = 0;

    (void)state;
    if (geteuid() != 0)
        skip();
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    int dir_fd = mount_small();
    assert_true(dir_fd >= 0);
    for (size_t i = 0; i < HOLDERS; i++)
        if ((holders[i] = fork()) == 0)
            take_again_and_again(dir_fd);
    for (size_t i = 0; i < HOLDERS; i++) {
        assert_int_equal(waitpid(holders[i], &status, 0), holders[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    print_message("# with the file %d times, without %d times\n", shared->with_file,
                  shared->without_file);
    assert_int_equal(shared->collisions, 0);
    assert_true(shared->with_file > 0 && shared->without_file > 0);
    close(dir_fd);
    assert_int_equal(umount(folder), 0);
    assert_int_equal(rmdir(folder), 0);
    munmap(shared, sizeof(*shared));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_at_a_time_holds_it_while_room_comes_and_goes),
    };

    return cmocka_run_group_tests_name("lock room", tests, NULL, NULL);
}
