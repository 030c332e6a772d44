/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The checkpoint of a backup that did not come to its end, where undoing it has something to decide.
 * That it survives every fault is shown by the scenarios of test_undo.
 */
#include "ops/undo/undo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "undo_world.h"

static bool has_checkpoint(const struct world *world)
{
    return world->web->record[0] || world->web->bitmap[0];
}

static void a_guest_that_is_just_being_started_loses_its_checkpoint_too(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};

    (void)state;
    world_make(&world);
    checkpoint_of_a_guest_that_is_off(&world);
    world.fake->start_in_between = true;
    assert_int_equal(undo_recorded(world.state_fd, WEB, &fake_calls, NULL, NULL), UNDO_DONE);
    assert_true(world.web->active);
    assert_false(has_checkpoint(&world));
}

static int used_by_another(const char *path, const char *name, struct err *err)
{
    (void)name;
    return err_set(err, ERR_BUSY, "%s: is in use", path);
}

static int cannot_be_written(const char *path, const char *name, struct err *err)
{
    (void)name;
    return err_set(err, ERR_IO, "%s: cannot write", path);
}

static void an_image_that_others_read_keeps_its_bitmap_and_what_leads_to_it(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};
    struct undo_calls calls = fake_calls;

    (void)state;
    world_make(&world);
    checkpoint_of_a_guest_that_is_off(&world);
    calls.bitmap_remove = used_by_another;
    assert_int_equal(undo_recorded(world.state_fd, WEB, &calls, NULL, NULL), UNDO_DONE);
    assert_false(intent_exists(world.state_fd, WEB));
    assert_string_equal(world.web->bitmap, CHECKPOINT);
    assert_string_equal(world.web->record, CHECKPOINT);
}

static void of_a_guest_that_is_gone_only_the_journal_leads_to_it(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};
    struct undo_calls calls = fake_calls;

    (void)state;
    world_make(&world);
    checkpoint_of_a_guest_that_is_off(&world);
    world.web->uuid[0] = '\0';
    calls.bitmap_remove = used_by_another;
    assert_int_equal(undo_recorded(world.state_fd, WEB, &calls, NULL, NULL), UNDO_STRANDED);
    assert_true(intent_exists(world.state_fd, WEB));
}

static void an_image_that_cannot_be_changed_keeps_the_journal_which_says_what_is_left(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_INTENT struct intent left = {0};
    struct undo_calls calls = fake_calls;

    (void)state;
    world_make(&world);
    checkpoint_of_a_guest_that_is_off(&world);
    calls.bitmap_remove = cannot_be_written;
    assert_int_equal(undo_recorded(world.state_fd, WEB, &calls, NULL, &err), UNDO_STRANDED);
    assert_non_null(strstr(err.text, CHECKPOINT));
    assert_non_null(strstr(err.text, "/image: cannot write"));
    assert_non_null(strstr(err.text, "virt-backup recover"));
    assert_int_equal(intent_read(world.state_fd, WEB, &left, NULL), 0);
    assert_string_equal(left.checkpoint, CHECKPOINT);
    assert_string_equal(world.web->record, CHECKPOINT);
    assert_int_equal(undo_recorded(world.state_fd, WEB, &fake_calls, NULL, NULL), UNDO_DONE);
    assert_false(has_checkpoint(&world));
}

static void an_image_that_is_gone_has_no_bitmap(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};

    (void)state;
    world_make(&world);
    checkpoint_of_a_guest_that_is_off(&world);
    CLEANUP_FREE char *image = path_in(&world, "image");
    assert_int_equal(unlink(image), 0);
    struct undo_calls calls = fake_calls;
    calls.bitmap_remove = used_by_another;
    assert_int_equal(undo_recorded(world.state_fd, WEB, &calls, NULL, NULL), UNDO_DONE);
}

static void a_guest_that_is_let_go_keeps_it_until_its_run_goes_on(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};

    (void)state;
    world_make(&world);
    checkpoint_of_a_guest_that_is_off(&world);
    world.web->active = true;
    assert_int_equal(undo_taken(world.state_fd, WEB, &fake_calls, NULL), 0);
    assert_true(has_checkpoint(&world));
    assert_true(intent_exists(world.state_fd, WEB));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guest_that_is_just_being_started_loses_its_checkpoint_too),
        cmocka_unit_test(an_image_that_others_read_keeps_its_bitmap_and_what_leads_to_it),
        cmocka_unit_test(of_a_guest_that_is_gone_only_the_journal_leads_to_it),
        cmocka_unit_test(an_image_that_cannot_be_changed_keeps_the_journal_which_says_what_is_left),
        cmocka_unit_test(an_image_that_is_gone_has_no_bitmap),
        cmocka_unit_test(a_guest_that_is_let_go_keeps_it_until_its_run_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
