/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Capturing with a fake hypervisor: each of its steps fails once, fails for good, loses the
 * connection or is the last of the process, and the guest is as it was, at the latest when
 * its journal is undone.
 */
#include "capture_world.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/quit.h"
#include "base/stop.h"
#include "ops/undo/undo.h"

#define MOST_STEPS 60
static void the_guest_is_as_it_was(void **state)
{
    (void)state;
    for (size_t i = 0; i < capture_way_count; i++) {
        struct world world CLEANUP(world_clear) = {.state_fd = -1};
        struct backup backup;
        CLEANUP_ERR struct err err = ERR_INIT;
        bool stranded = false;
        print_message("# %s\n", capture_ways[i].name);
        prepare(&world, i, &backup);
        if (back_up(&backup, &stranded, &err) < 0)
            fail_msg("%s", err.text);
        assert_true(backup.rest_removed && !stranded);
        check_as_it_was(&backup);
        bool former =
            capture_ways[i].mode != CAPTURE_OFFLINE || capture_ways[i].checkpoint != COMMITTED;
        assert_int_equal(world.web->bitmap[0] != '\0', capture_ways[i].checkpoint == COMMITTED);
        assert_int_equal(world.web->former[0] != '\0', former);
    }
}

static unsigned increments_that_are_whole(bool late)
{
    unsigned tried = 0;

    for (size_t i = 0; i < capture_way_count; i++) {
        struct world world CLEANUP(world_clear) = {.state_fd = -1};
        struct backup backup;
        CLEANUP_ERR struct err err = ERR_INIT;
        bool stranded = false;
        if (!capture_ways[i].checkpoint || !capture_has_exports(capture_ways[i].mode))
            continue;
        prepare(&world, i, &backup);
        backup.late = late;
        backup.untold = !late;
        if (back_up(&backup, &stranded, &err) < 0)
            fail_msg("%s: %s", capture_ways[i].name, err.text);
        check_as_it_was(&backup);
        tried++;
    }
    return tried;
}

/* The job of all disks is begun again, without increments. */
static void a_bitmap_that_is_lost_late_costs_an_increment(void **state)
{
    (void)state;
    assert_true(increments_that_are_whole(true) > 1);
}

/* As of a hypervisor that has no checkpoints. */
static void a_bitmap_that_libvirt_cannot_tell_of_costs_an_increment(void **state)
{
    (void)state;
    assert_true(increments_that_are_whole(false) > 1);
}

/* libvirt deletes its record alone then, and nothing else would lead to the bitmap. */
static void a_guest_that_ends_at_the_commit_loses_its_former_bitmap(void **state)
{
    unsigned tried = 0;

    (void)state;
    for (size_t i = 0; i < capture_way_count; i++) {
        struct world world CLEANUP(world_clear) = {.state_fd = -1};
        struct backup backup;
        CLEANUP_ERR struct err err = ERR_INIT;
        bool stranded = false;
        if (capture_ways[i].checkpoint != COMMITTED || capture_ways[i].mode == CAPTURE_OFFLINE)
            continue;
        prepare(&world, i, &backup);
        backup.ends = true;
        if (back_up(&backup, &stranded, &err) < 0)
            fail_msg("%s: %s", capture_ways[i].name, err.text);
        assert_string_equal(world.web->former, "");
        tried++;
    }
    assert_true(tried > 1);
}

static void nothing_is_captured_if_held(bool resumed, bool plugged)
{
    unsigned tried = 0;

    for (size_t i = 0; i < capture_way_count; i++) {
        struct world world CLEANUP(world_clear) = {.state_fd = -1};
        struct backup backup;
        CLEANUP_ERR struct err err = ERR_INIT;
        bool stranded = false;
        bool held = capture_ways[i].mode == CAPTURE_PAUSE || capture_ways[i].mode == CAPTURE_LIVE;
        if (!held || !capture_ways[i].running)
            continue;
        prepare(&world, i, &backup);
        backup.resumed = resumed;
        backup.plugged = plugged;
        assert_int_equal(back_up(&backup, &stranded, &err), -1);
        assert_int_equal(err.kind, ERR_BUSY);
        assert_false(stranded);
        check_as_it_was(&backup);
        tried++;
    }
    assert_true(tried > 1);
}

/* What is in its memory is older than what is on its disks. */
static void a_guest_that_is_resumed_in_between_is_not_captured(void **state)
{
    (void)state;
    nothing_is_captured_if_held(true, false);
}

/* Its memory could not be resumed with the XML that the backup has. */
static void a_guest_that_gets_a_device_in_between_is_not_captured(void **state)
{
    (void)state;
    nothing_is_captured_if_held(false, true);
}

/* It goes on with the overlay: what it has written since is there. */
static void a_guest_that_gets_an_overlay_before_it_is_saved_keeps_it(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};
    struct backup backup;
    CLEANUP_ERR struct err err = ERR_INIT;
    bool stranded = false;

    (void)state;
    assert_int_equal(capture_ways[0].mode, CAPTURE_SAVE);
    prepare(&world, 0, &backup);
    backup.overlay = true;
    assert_int_equal(back_up(&backup, &stranded, &err), -1);
    assert_int_equal(err.kind, ERR_BUSY);
    assert_non_null(strstr(err.text, "disks were changed"));
    assert_false(stranded);
    check_as_it_was(&backup);
    assert_non_null(strstr(world.web->restored_xml, "/img/overlay"));
}

static void each_step(enum fake_fault fault, bool may_leave)
{
    for (size_t i = 0; i < capture_way_count; i++)
        for (unsigned at = 1;; at++) {
            struct world world CLEANUP(world_clear) = {.state_fd = -1};
            struct backup backup;
            prepare(&world, i, &backup);
            fake_arm(fault, at);
            int result = back_up_apart(&backup);
            bool reached = fake_reached();
            print_message("# %s, fault %d at step %u: %d\n", capture_ways[i].name, (int)fault, at,
                          result);
            fake_arm(FAKE_NO_FAULT, 0);
            if (!reached)
                assert_int_equal(result, 0);
            if (!may_leave)
                assert_in_range(result, 0, 1);
            if (intent_exists(world.state_fd, WEB)) {
                assert_true(result == 2 || result == FAKE_DEATH || capture_ways[i].checkpoint);
                assert_int_equal(undo_recorded(world.state_fd, WEB, &fake_calls, NULL, NULL),
                                 UNDO_DONE);
            }
            check_as_it_was(&backup);
            if (!reached)
                break;
            assert_true(at < MOST_STEPS);
        }
}

static void a_step_that_fails_once_leaves_it_as_it_was_or_to_recover(void **state)
{
    (void)state;
    each_step(FAKE_FAIL, true);
}

static void a_lost_connection_leaves_it_as_it_was(void **state)
{
    (void)state;
    each_step(FAKE_LOSE, false);
}

static void steps_that_keep_failing_leave_it_to_recover(void **state)
{
    (void)state;
    each_step(FAKE_FAIL_ON, true);
}

static void a_process_that_dies_leaves_it_to_recover(void **state)
{
    (void)state;
    each_step(FAKE_DIE_BEFORE, true);
    each_step(FAKE_DIE_AFTER, true);
}

/* ---- a run that was stopped, and its guest let go ----------------------------------------------------- */

static void be_taken_over(const struct world *world)
{
    CLEANUP_CLOSE int taken = -1;

    assert_int_equal(intent_take_over(world->state_fd, WEB, &taken, NULL), 0);
    assert_int_equal(undo_taken(world->state_fd, WEB, &fake_calls, NULL), 0);
    raise(SIGCONT);
    /* As between two chunks. */
    CLEANUP_ERR struct err err = ERR_INIT;
    assert_int_equal(quit_check(&err), -1);
    assert_non_null(strstr(err.text, "stopped while holding it"));
}

static void be_continued_only(const struct world *world)
{
    (void)world;
    raise(SIGCONT);
    assert_int_equal(quit_check(NULL), 0);
}

static void on_sigcont_the_journal_decides(void **state)
{
    (void)state;
    stop_install();
    for (size_t i = 0; i < capture_way_count; i++)
        for (int taken = 0; taken < 2; taken++) {
            struct world world CLEANUP(world_clear) = {.state_fd = -1};
            struct backup backup;
            CLEANUP_ERR struct err err = ERR_INIT;
            bool stranded = false;
            print_message("# %s, %d\n", capture_ways[i].name, taken);
            prepare(&world, i, &backup);
            backup.in_middle = taken ? be_taken_over : be_continued_only;
            assert_int_equal(back_up(&backup, &stranded, &err), taken ? -1 : 0);
            if (taken)
                assert_non_null(strstr(err.text, "stopped while holding it"));
            assert_false(stranded);
            check_as_it_was(&backup);
            assert_int_equal(quit_check(NULL), 0); /* for the next guest it is over */
        }
}

/* ---- nothing begun -------------------------------------------------------------------------------------- */

static void note_call(void *opaque)
{
    *(bool *)opaque = true;
}

/* Its request, with the descriptor of the state directory, is not set yet: 0 is somebody else's. */
static void what_was_not_begun_touches_no_journal(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};
    struct capture capture = {0};
    bool called = false;

    (void)state;
    world_make(&world);
    saved_and_down(&world);
    int stdin_fd = dup(STDIN_FILENO);
    assert_int_equal(dup2(world.state_fd, STDIN_FILENO), STDIN_FILENO);
    capture_clear(&capture, note_call, &called);
    dup2(stdin_fd, STDIN_FILENO);
    close(stdin_fd);
    assert_true(called);
    assert_true(intent_exists(world.state_fd, WEB));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_guest_is_as_it_was),
        cmocka_unit_test(a_bitmap_that_is_lost_late_costs_an_increment),
        cmocka_unit_test(a_bitmap_that_libvirt_cannot_tell_of_costs_an_increment),
        cmocka_unit_test(a_guest_that_ends_at_the_commit_loses_its_former_bitmap),
        cmocka_unit_test(a_guest_that_is_resumed_in_between_is_not_captured),
        cmocka_unit_test(a_guest_that_gets_a_device_in_between_is_not_captured),
        cmocka_unit_test(a_guest_that_gets_an_overlay_before_it_is_saved_keeps_it),
        cmocka_unit_test(a_step_that_fails_once_leaves_it_as_it_was_or_to_recover),
        cmocka_unit_test(a_lost_connection_leaves_it_as_it_was),
        cmocka_unit_test(steps_that_keep_failing_leave_it_to_recover),
        cmocka_unit_test(a_process_that_dies_leaves_it_to_recover),
        cmocka_unit_test(on_sigcont_the_journal_decides),
        cmocka_unit_test(what_was_not_begun_touches_no_journal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
