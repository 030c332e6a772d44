/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A memory image that is not needed any more, but cannot be removed: a folder in its place stands
 * for it; and one that must not be removed.
 */
#include "ops/undo/undo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "undo_world.h"

static void assert_undone(const struct world *world, enum undo_result expected)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    assert_int_equal(undo_recorded(world->state_fd, WEB, &fake_calls, NULL, &err), expected);
    assert_int_equal(exists(world, "state/" WEB ".intent"), expected == UNDO_STRANDED);
    if (expected == UNDO_STRANDED)
        assert_non_null(strstr(err.text, "cannot remove it"));
}

/* It is the only record of a file as large as the guest's memory. */
static void of_a_backup_it_is_not_forgotten(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};
    CLEANUP_INTENT struct intent intent = {0};

    (void)state;
    world_make(&world);
    backup_begin(&world, &intent);
    assert_int_equal(mkdir(intent.memory, 0700), 0);
    note(&world, &intent);
    assert_undone(&world, UNDO_STRANDED);
    assert_int_equal(rmdir(intent.memory), 0);
    assert_undone(&world, UNDO_DONE);
}

/* Until it is gone, the guest could be started again from memory that is older than its disks. */
static void of_a_restore_it_keeps_the_guest_paused(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};
    CLEANUP_INTENT struct intent intent = {0};

    (void)state;
    world_make(&world);
    intent_begin(&intent, INTENT_RESTORE);
    intent.resumed = path_in(&world, "memory");
    assert_int_equal(mkdir(intent.resumed, 0700), 0);
    world.web->booted = false;
    world.web->paused = true;
    note(&world, &intent);
    assert_undone(&world, UNDO_STRANDED);
    assert_true(world.web->paused);
    assert_int_equal(rmdir(intent.resumed), 0);
    assert_undone(&world, UNDO_DONE);
    assert_false(world.web->paused);
}

/* To libvirt it only is a guest that was resumed. If it is paused, somebody wants that. */
static void memory_of_a_guest_that_was_started_and_paused_is_kept(void **state)
{
    (void)state;
    for (int paused = 0; paused < 2; paused++) {
        struct world world CLEANUP(world_clear) = {.state_fd = -1};
        world_make(&world);
        saved_and_down(&world);
        world.web->active = world.web->unpaused = true;
        world.web->booted = false;
        world.web->paused = paused;
        assert_int_equal(undo_recorded(world.state_fd, WEB, &fake_calls, NULL, NULL),
                         UNDO_STRANDED);
        assert_true(exists(&world, "memory"));
        assert_int_equal(world.web->paused, paused);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_backup_it_is_not_forgotten),
        cmocka_unit_test(memory_of_a_guest_that_was_started_and_paused_is_kept),
        cmocka_unit_test(of_a_restore_it_keeps_the_guest_paused),
    };

    return cmocka_run_group_tests_name("undo image", tests, NULL, NULL);
}
