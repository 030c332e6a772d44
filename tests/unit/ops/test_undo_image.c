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

static void disk_of(const struct world *world, struct intent *intent)
{
    CLEANUP_FREE char *disk = path_in(world, "disk");

    backup_begin(world, intent);
    intent->saved = true;
    make_image(world, "memory");
    make_file(world, "disk", "disk", 4);
    intent_add_disk(intent, disk);
    intent_add_disk(intent, world->folder); /* no file: it does not count */
    world->web->active = false;
    note(world, intent);
}

static enum undo_result tried(const struct world *world, const char *says)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    enum undo_result result = undo_recorded(world->state_fd, WEB, &fake_calls, NULL, &err);

    if (says)
        assert_non_null(strstr(err.text, says));
    return result;
}

/* Nobody saw it run. */
static void memory_that_is_older_than_a_disk_is_never_restored(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};
    CLEANUP_INTENT struct intent intent = {0};
    CLEANUP_INTENT struct intent noted = {0};

    (void)state;
    world_make(&world);
    disk_of(&world, &intent);
    assert_int_equal(intent.disk_count, 1);
    make_file(&world, "disk", "newer", 5);
    assert_int_equal(tried(&world, "or changed its disk"), UNDO_STRANDED);
    assert_false(world.web->active);
    assert_true(exists(&world, "memory"));
    assert_int_equal(intent_read(world.state_fd, WEB, &noted, NULL), 0);
    assert_true(noted.started);
}

static void memory_of_untouched_disks_is_restored(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};
    CLEANUP_INTENT struct intent intent = {0};

    (void)state;
    world_make(&world);
    disk_of(&world, &intent);
    assert_int_equal(tried(&world, NULL), UNDO_DONE);
    assert_true(world.web->active && world.web->restored == 1);
}

/* It is QEMU itself that has changed the disk. */
static void restore_that_was_refused_may_be_tried_again(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};
    CLEANUP_INTENT struct intent intent = {0};

    (void)state;
    world_make(&world);
    disk_of(&world, &intent);
    (void)snprintf(world.fake->opened, FAKE_TEXT, "%s", intent.disks[0].path);
    world.fake->refuse_restore = true;
    assert_int_equal(tried(&world, "no room for its memory"), UNDO_STRANDED);
    world.fake->refuse_restore = false;
    assert_int_equal(tried(&world, NULL), UNDO_DONE);
    assert_true(world.web->active && world.web->restored == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_backup_it_is_not_forgotten),
        cmocka_unit_test(memory_of_a_guest_that_was_started_and_paused_is_kept),
        cmocka_unit_test(memory_that_is_older_than_a_disk_is_never_restored),
        cmocka_unit_test(memory_of_untouched_disks_is_restored),
        cmocka_unit_test(of_a_restore_it_keeps_the_guest_paused),
        cmocka_unit_test(restore_that_was_refused_may_be_tried_again),
    };

    return cmocka_run_group_tests_name("undo image", tests, NULL, NULL);
}
