/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Undoing when the file system of the state directory is full.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "ops/undo/guest_lock.h"
#include "ops/undo/undo.h"
#include "undo_world.h"

static enum undo_result undo_web(const struct world *world)
{
    return undo_recorded(world->state_fd, WEB, &fake_calls, NULL, NULL);
}

/* In a process that cannot write a byte to any file. */
static int undo_without_room(const struct world *world)
{
    const struct rlimit none = {0, 0};
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &none);
        _exit((int)undo_web(world));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void putting_back_needs_no_room_for_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < scenario_count; i++) {
        struct world world CLEANUP(world_clear) = {.state_fd = -1};
        world_make(&world);
        scenarios[i].make(&world);
        print_message("# %s\n", scenarios[i].name);
        assert_int_equal(undo_without_room(&world), UNDO_DONE);
        scenarios[i].check(&world);
    }
}

/* ---- no room for a file ------------------------------------------------------------------------- */

/* A state directory of its own, for few files; in a mount namespace of this process. */
static void mount_small(struct world *world)
{
    CLEANUP_FREE char *state = path_in(world, "state");

    close(world->state_fd);
    assert_int_equal(unshare(CLONE_NEWNS), 0);
    assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    assert_int_equal(mount("tmpfs", state, "tmpfs", 0, "nr_inodes=8,mode=0700"), 0);
    assert_int_equal(io_open_dir(state, &world->state_fd, NULL), 0);
}

static void unmount_small(struct world *world)
{
    CLEANUP_FREE char *state = path_in(world, "state");

    close(TAKE_FD(world->state_fd));
    assert_int_equal(umount(state), 0);
}

/* Returns how many files there was room for: "ballast-0" and so on. */
static int take_all_room(const struct world *world)
{
    for (int i = 0;; i++) {
        CLEANUP_FREE char *name = mem_printf("ballast-%d", i);
        CLEANUP_CLOSE int fd = openat(world->state_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0) {
            assert_int_equal(errno, ENOSPC);
            return i;
        }
    }
}

static void give_room(const struct world *world, int count)
{
    for (int i = 0; i < count; i++) {
        CLEANUP_FREE char *name = mem_printf("ballast-%d", i);
        assert_int_equal(unlinkat(world->state_fd, name, 0), 0);
    }
}

static void putting_back_needs_no_room_for_a_lock_file(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    for (size_t i = 0; i < scenario_count; i++) {
        struct world world CLEANUP(world_clear) = {.state_fd = -1};
        print_message("# %s\n", scenarios[i].name);
        world_make(&world);
        mount_small(&world);
        scenarios[i].make(&world);
        int count = take_all_room(&world);
        assert_false(exists(&world, "state/" WEB ".lock"));
        assert_int_equal(undo_web(&world), UNDO_DONE);
        scenarios[i].check(&world);
        assert_false(exists(&world, "state/" WEB ".intent"));
        give_room(&world, count);
        unmount_small(&world);
    }
}

/* Whether there is room by then or not. */
static void who_has_a_guest_without_a_lock_file_keeps_others_out(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};
    CLEANUP(lock_file_releasep) struct lock_file *lock = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    if (geteuid() != 0)
        skip();
    world_make(&world);
    mount_small(&world);
    saved_and_down(&world);
    int count = take_all_room(&world);
    assert_int_equal(guest_lock_take(world.state_fd, WEB, 0, &lock, NULL), 0);
    assert_int_equal(undo_web(&world), UNDO_BUSY);
    give_room(&world, count);
    assert_int_equal(undo_web(&world), UNDO_BUSY);
    lock_file_release(TAKE_PTR(lock));
    assert_int_equal(guest_lock_take(world.state_fd, WEB, 0, &lock, &err), 0);
    assert_true(exists(&world, "state/" WEB ".lock"));
    lock_file_release(TAKE_PTR(lock));
    assert_int_equal(undo_web(&world), UNDO_DONE);
    as_it_was(&world);
    unmount_small(&world);
}

/* What a run is about to do could not be noted. */
static void without_a_journal_room_is_needed(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};
    CLEANUP(lock_file_releasep) struct lock_file *lock = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    if (geteuid() != 0)
        skip();
    world_make(&world);
    mount_small(&world);
    (void)take_all_room(&world);
    assert_int_equal(guest_lock_take(world.state_fd, WEB, 0, &lock, &err), -1);
    assert_int_equal(err.kind, ERR_NO_SPACE);
    unmount_small(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(putting_back_needs_no_room_for_bytes),
        cmocka_unit_test(putting_back_needs_no_room_for_a_lock_file),
        cmocka_unit_test(who_has_a_guest_without_a_lock_file_keeps_others_out),
        cmocka_unit_test(without_a_journal_room_is_needed),
    };

    return cmocka_run_group_tests_name("undo without room", tests, NULL, NULL);
}
