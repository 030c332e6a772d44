/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "keep_world.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)

static const struct mark test_mark = {.by = "remove", .reason = "test"};

#define WORLD                                                                                      \
    CLEANUP_KEEP_WORLD struct keep_world world = {0};                                              \
    keep_world_begin(&world);                                                                      \
    struct collect_settings settings = keep_world_settings(&world)

static void trash(struct keep_world *world, const struct point_id *point)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    bool made = false;

    if (marks_trash(&world->scope, point, &test_mark, &made, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(made);
}

#define assert_events(expected) assert_string_equal((const char *)world.events.data, expected)

static void a_removed_point_goes_with_the_packs_that_only_it_needs(void **state)
{
    const struct point_id first = keep_world_point(1, 1), second = keep_world_point(1, 2);
    const struct point_id third = keep_world_point(1, 3);
    WORLD;

    (void)state;
    keep_world_put(&world, &first, NULL);
    keep_world_put(&world, &second, &first);
    keep_world_put(&world, &third, &first);
    trash(&world, &second);
    struct collect_result result = keep_world_collect(&world, &settings);
    assert_int_equal(result.outcome, COLLECT_DONE);
    assert_int_equal(result.points_removed, 1);
    assert_int_equal(result.packs_seen, 6);
    assert_int_equal(result.packs_removed, 2);
    assert_int_equal(result.bytes_removed, 8);
    assert_events("taken removed ");
    assert_true(keep_world_restores(&world, &first));
    assert_true(keep_world_restores(&world, &third));
    assert_false(keep_world_restores(&world, &second));
    assert_true(keep_world_has(&world, NAME_SLOT, &second, 0));
    assert_false(keep_world_has(&world, NAME_PACK, &second, 0));
    assert_false(keep_world_has(&world, NAME_MARKER, &second, 1));
    assert_false(keep_world_has(&world, NAME_VERDICT, &second, 1));
    assert_false(keep_world_has(&world, NAME_SESSION, &first, 0));

    result = keep_world_collect(&world, &settings);
    assert_int_equal(result.points_removed + result.packs_removed, 0);
    assert_events("");
}

static void a_base_may_go_before_what_was_built_on_it(void **state)
{
    const struct point_id first = keep_world_point(1, 1), second = keep_world_point(1, 2);
    WORLD;

    (void)state;
    keep_world_put(&world, &first, NULL);
    keep_world_put(&world, &second, &first);
    trash(&world, &first);
    assert_int_equal(keep_world_collect(&world, &settings).packs_removed, 0);
    assert_true(keep_world_restores(&world, &second));
    trash(&world, &second);
    assert_int_equal(keep_world_collect(&world, &settings).packs_removed, 4);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_removed_point_goes_with_the_packs_that_only_it_needs),
        cmocka_unit_test(a_base_may_go_before_what_was_built_on_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
