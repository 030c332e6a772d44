/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "keep_world.h"
#include "repository/keep/trash.h"

static const struct mark test_mark = {.by = "alpha", .reason = "test"};

#define WORLD                                                                                      \
    const struct point_id point = keep_world_point(1, 1);                                          \
    CLEANUP_KEEP_WORLD struct keep_world world = {0};                                              \
    keep_world_begin(&world);                                                                      \
    keep_world_put(&world, &point, NULL);                                                          \
    const struct stored_scope *const scope = &world.scope;                                         \
    bool changed = false

static bool in_trash(const struct stored_scope *scope, const struct point_id *point)
{
    CLEANUP_TRASH struct trash trash = {0};

    assert_int_equal(trash_read(scope, &point->guest, NULL, &trash, NULL), 0);
    return trash_has(&trash, point);
}

/* As a collector does. */
static void take(const struct stored_scope *scope, const struct point_id *point)
{
    const struct trash_marker marker = {.point = *point, .number = 1};
    enum trash_verdict verdict = TRASH_OPEN;

    assert_int_equal(trash_judge(scope, &marker, TRASH_TAKEN, &verdict, NULL), 0);
    assert_int_equal(verdict, TRASH_TAKEN);
}

static void a_point_goes_into_the_trash_and_out_of_it_again_and_again(void **state)
{
    WORLD;

    (void)state;
    for (uint32_t i = 1; i <= 12; i++) {
        assert_int_equal(marks_trash(scope, &point, &test_mark, &changed, NULL), 0);
        assert_true(changed);
        assert_true(in_trash(scope, &point));
        assert_true(keep_world_has(&world, NAME_MARKER, &point, i));
        assert_int_equal(marks_trash(scope, &point, &test_mark, &changed, NULL), 0);
        assert_false(changed);
        assert_int_equal(marks_undelete(scope, &point, &changed, NULL), 0);
        assert_true(changed);
        assert_false(in_trash(scope, &point));
        assert_int_equal(marks_undelete(scope, &point, &changed, NULL), 0);
        assert_false(changed);
    }
}

static void what_was_taken_cannot_be_undeleted_or_held(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    WORLD;

    (void)state;
    assert_int_equal(marks_trash(scope, &point, &test_mark, &changed, NULL), 0);
    take(scope, &point);
    assert_int_equal(marks_undelete(scope, &point, &changed, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "too late"));
    assert_int_equal(marks_hold(scope, &point, &test_mark, &changed, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void a_verdict_without_a_marker_means_nothing(void **state)
{
    WORLD;

    (void)state;
    take(scope, &point);
    assert_false(in_trash(scope, &point));
    assert_int_equal(marks_hold(scope, &point, &test_mark, &changed, NULL), 0);
    assert_int_equal(marks_trash(scope, &point, &test_mark, &changed, NULL), 0);
    assert_true(changed);
    assert_true(keep_world_has(&world, NAME_MARKER, &point, 2));
    assert_int_equal(marks_undelete(scope, &point, &changed, NULL), 0);
    assert_true(changed);
}

static void a_hold_keeps_from_removal_until_it_is_released(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    WORLD;

    (void)state;
    assert_int_equal(marks_trash(scope, &point, &test_mark, &changed, NULL), 0);
    assert_int_equal(marks_hold(scope, &point, &test_mark, &changed, NULL), 0);
    assert_true(changed);
    assert_false(in_trash(scope, &point));
    assert_int_equal(marks_hold(scope, &point, &test_mark, &changed, NULL), 0);
    assert_false(changed);
    assert_int_equal(marks_remove(scope, &point, &test_mark, &changed, &err), -1);
    assert_int_equal(err.kind, ERR_BUSY);
    assert_int_equal(marks_release(scope, &point, &changed, NULL), 0);
    assert_true(changed);
    assert_int_equal(marks_release(scope, &point, &changed, NULL), 0);
    assert_false(changed);
    assert_int_equal(marks_remove(scope, &point, &test_mark, &changed, NULL), 0);
    assert_true(changed);
}

static void what_is_no_point_gets_no_marks(void **state)
{
    const struct point_id none = keep_world_point(1, 2), removed = keep_world_point(1, 3);
    const struct point_id *const ids[] = {&none, &removed};
    CLEANUP_ERR struct err err = ERR_INIT;
    WORLD;

    (void)state;
    keep_world_put_removed(&world, &removed);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(marks_trash(scope, ids[i], &test_mark, &changed, &err), -1);
        assert_int_equal(err.kind, ERR_NOT_FOUND);
        assert_int_equal(marks_hold(scope, ids[i], &test_mark, &changed, NULL), -1);
        assert_int_equal(marks_undelete(scope, ids[i], &changed, NULL), -1);
        assert_int_equal(marks_tag(scope, ids[i], "x", &test_mark, &changed, NULL), -1);
        assert_false(keep_world_has(&world, NAME_HOLD, ids[i], 0));
        assert_false(keep_world_has(&world, NAME_MARKER, ids[i], 1));
    }
    assert_true(keep_world_restores(&world, &point));
}

static void tags_are_given_listed_and_taken_away(void **state)
{
    CLEANUP_MARKS struct marks marks = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    WORLD;

    (void)state;
    assert_int_equal(marks_tag(scope, &point, "before-upgrade", &test_mark, &changed, NULL), 0);
    assert_true(changed);
    assert_int_equal(marks_tag(scope, &point, "before-upgrade", &test_mark, &changed, NULL), 0);
    assert_false(changed);
    assert_int_equal(marks_tag(scope, &point, "a b", &test_mark, &changed, &err), -1);
    assert_int_equal(err.kind, ERR_USAGE);
    for (unsigned i = 1; i < LIMITS_POINT_TAGS; i++) {
        CLEANUP_FREE char *tag = mem_printf("tag%u", i);
        assert_int_equal(marks_tag(scope, &point, tag, &test_mark, &changed, NULL), 0);
    }
    assert_int_equal(marks_tag(scope, &point, "more", &test_mark, &changed, &err), -1);
    assert_int_equal(err.kind, ERR_UNSUPPORTED);
    assert_int_equal(marks_list(scope, NULL, NULL, &marks, NULL), 0);
    const struct point_marks *found = marks_of(&marks, &point);
    assert_non_null(found);
    assert_int_equal(found->tags.count, LIMITS_POINT_TAGS);
    assert_false(found->held);
    assert_int_equal(marks_untag(scope, &point, "before-upgrade", &changed, NULL), 0);
    assert_true(changed);
    assert_int_equal(marks_untag(scope, &point, "before-upgrade", &changed, NULL), 0);
    assert_false(changed);
}

static void only_unreadable_points_that_are_not_held_are_set_aside(void **state)
{
    const struct point_id bad = keep_world_point(1, 2);
    CLEANUP_FREE char *slot = NULL, *copy = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;
    WORLD;

    (void)state;
    assert_int_equal(marks_set_aside(scope, &point, &test_mark, &copy, &err), -1);
    assert_int_equal(err.kind, ERR_EXISTS);
    slot = objects_name(scope, NAME_SLOT, &bad, 0);
    keep_world_put_object(&world, slot, "damaged");
    assert_int_equal(marks_hold(scope, &bad, &test_mark, &changed, NULL), 0);
    assert_int_equal(marks_set_aside(scope, &bad, &test_mark, &copy, &err), -1);
    assert_int_equal(err.kind, ERR_BUSY);
    assert_false(in_trash(scope, &bad));
    assert_int_equal(marks_release(scope, &bad, &changed, NULL), 0);
    assert_int_equal(marks_set_aside(scope, &bad, &test_mark, &copy, NULL), 0);
    assert_int_equal(memory_look(world.memory, copy).len, strlen("damaged"));
    assert_int_equal(marks_undelete(scope, &bad, &changed, NULL), -1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_point_goes_into_the_trash_and_out_of_it_again_and_again),
        cmocka_unit_test(what_was_taken_cannot_be_undeleted_or_held),
        cmocka_unit_test(a_verdict_without_a_marker_means_nothing),
        cmocka_unit_test(a_hold_keeps_from_removal_until_it_is_released),
        cmocka_unit_test(what_is_no_point_gets_no_marks),
        cmocka_unit_test(tags_are_given_listed_and_taken_away),
        cmocka_unit_test(only_unreadable_points_that_are_not_held_are_set_aside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
