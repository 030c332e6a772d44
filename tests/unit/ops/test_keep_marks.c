/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Marks on points, as users ask for them.
 */
#include "keep_world.h"

#include <string.h>

#include "repository/keep/marks.h"

static bool confirm_but_for_one(void *opaque, const struct remove_candidate *candidate)
{
    assert_string_equal(candidate->guest, "web");
    assert_string_equal(candidate->time, "1970-01-01T00:00:01.000Z");
    return strstr(candidate->id, "2222") == opaque;
}

static void mark(struct keep_world *world, enum mark_action action, const char *const *words,
                 size_t count, const char *const *tags)
{
    const struct mark_options options = {
        .action = action,
        .repository = world->folder.path,
        .points = {words, count},
        .confirm = confirm_but_for_one,
        .add_tags = action == MARK_TAG && tags && *tags[0] == '+' ? (struct name_list){tags + 1, 1}
                                                                  : (struct name_list){0},
        .remove_tags = action == MARK_TAG && tags && *tags[0] == '-'
                           ? (struct name_list){tags + 1, 1}
                           : (struct name_list){0},
    };
    const struct report report = keep_world_report(world);
    CLEANUP_ERR struct err err = ERR_INIT;

    if (keep_mark(&options, &report, &world->outcome, &err) < 0)
        fail_msg("%s", err.text);
}

static void marks_are_put_on_points_and_taken_off(void **state)
{
    static const struct planted planted = {2, "web", SESSION("1111", REST), 1000, 0};
    static const char *const word[] = {"web@latest"};
    static const char *const digits[] = {SESSION("1111", "")};
    static const char *const add[] = {"+", "v1"};
    static const char *const take[] = {"-", "v1"};
    CLEANUP_KEEP_WORLD struct keep_world world = {0};

    (void)state;
    keep_world_begin(&world);
    struct point_id id = keep_world_plant(&world, &planted);
    mark(&world, MARK_HOLD, word, 1, NULL);
    keep_world_told(&world, "held web default/1111\n");
    mark(&world, MARK_HOLD, word, 1, NULL);
    keep_world_told(&world, "held web default/1111 was so\n");
    mark(&world, MARK_TAG, word, 1, add);
    keep_world_told(&world, "tagged web default/1111 v1\n");
    {
        CLEANUP_MARKS struct marks marks = {0};
        assert_int_equal(marks_list(&world.scope, NULL, NULL, &marks, NULL), 0);
        const struct point_marks *of = marks_of(&marks, &id);
        assert_true(of && of->held && of->tags.count == 1);
    }
    mark(&world, MARK_TAG, word, 1, take);
    keep_world_told(&world, "untagged web default/1111 v1\n");
    mark(&world, MARK_TAG, word, 1, take);
    keep_world_told(&world, "untagged web default/1111 v1 was so\n");
    mark(&world, MARK_RELEASE, word, 1, NULL);
    keep_world_told(&world, "released web default/1111\n");
    mark(&world, MARK_RELEASE, word, 1, NULL);
    keep_world_told(&world, "released web default/1111 was so\n");
    keep_world_trash(&world, &id);
    mark(&world, MARK_UNDELETE, word, 1, NULL);
    keep_world_told(&world, "undeleted web default/1111\n");
    assert_false(keep_world_has_trashed(&world, &id));
    mark(&world, MARK_UNDELETE, digits, 1, NULL);
    keep_world_told(&world, "undeleted web default/1111 was so\n");
    /* a hold takes it out of the trash, too */
    keep_world_trash(&world, &id);
    mark(&world, MARK_HOLD, digits, 1, NULL);
    keep_world_told(&world, "held web default/1111\n");
    assert_false(keep_world_has_trashed(&world, &id));
}

static void removed_points_are_in_the_trash(void **state)
{
    static const struct planted points[] = {
        {2, "web", SESSION("1111", REST), 1000, 0},
        {2, "web", SESSION("2222", REST), 1000, 0},
        {2, "web", SESSION("3333", REST), 1000, 0},
    };
    static const struct planted damaged = {2, "web", SESSION("4444", REST), 0, 0};
    static const char *const words[] = {SESSION("1111", ""), "web@" SESSION("2222", ""),
                                        SESSION("1111", REST), SESSION("3333", ""),
                                        SESSION("4444", "")};
    CLEANUP_KEEP_WORLD struct keep_world world = {0};
    struct point_id ids[3];

    (void)state;
    keep_world_begin(&world);
    for (size_t i = 0; i < 3; i++)
        ids[i] = keep_world_plant(&world, &points[i]);
    struct point_id unreadable = keep_world_id(&damaged);
    keep_world_plant_bytes(&world, &unreadable, "not a point", 11);
    mark(&world, MARK_HOLD, words + 3, 1, NULL);
    world.outcome = (struct outcome){0};
    mark(&world, MARK_REMOVE, words, 5, NULL);
    keep_world_told(
        &world,
        "removed web 1111\n"
        "point-failed - " SESSION("1111", REST) ": point '" SESSION(
            "1111",
            REST) "': it is "
                  "in the trash already\n"
                  "point-failed - " SESSION("3333", "") ": point '" SESSION(
                      "3333",
                      "") "': point '" SESSION("3333",
                                               REST) "' is held; release it first\n"
                                                     "point-failed - " SESSION(
                                                         "4444",
                                                         "") ": point '" SESSION("4444",
                                                                                 "") "': it cannot "
                                                                                     "be read; to "
                                                                                     "give it up, "
                                                                                     "run: "
                                                                                     "virt-backup "
                                                                                     "repair "
                                                                                     "--set-"
                                                                                     "aside\n");
    assert_true(keep_world_has_trashed(&world, &ids[0]));
    assert_false(keep_world_has_trashed(&world, &ids[1])); /* the answer was no */
    assert_false(keep_world_has_trashed(&world, &ids[2]));
    assert_false(keep_world_has_trashed(&world, &unreadable));
    assert_int_equal(world.outcome.good, 1);
    assert_int_equal(world.outcome.failed, 3);
}

static void each_point_fails_alone(void **state)
{
    static const struct planted planted = {2, "web", SESSION("1111", REST), 1000, 0};
    static const char *const words[] = {"wbe@latest", "web@latest"};
    CLEANUP_KEEP_WORLD struct keep_world world = {0};

    (void)state;
    keep_world_begin(&world);
    keep_world_plant(&world, &planted);
    mark(&world, MARK_HOLD, words, 2, NULL);
    keep_world_told(&world,
                    "point-failed - wbe@latest: there is no point 'wbe@latest'; list shows what "
                    "is there\n"
                    "held web default/1111\n");
    assert_int_equal(world.outcome.good, 1);
    assert_int_equal(world.outcome.failed, 1);
}

static void a_damaged_point_is_set_aside(void **state)
{
    static const struct planted damaged = {2, "web", SESSION("1111", REST), 0, 0};
    static const struct planted sound = {2, "web", SESSION("2222", REST), 1000, 0};
    static const char *const words[] = {SESSION("1111", ""), SESSION("2222", "")};
    CLEANUP_KEEP_WORLD struct keep_world world = {0};

    (void)state;
    keep_world_begin(&world);
    struct point_id id = keep_world_id(&damaged);
    keep_world_plant_bytes(&world, &id, "not a point", 11);
    keep_world_plant(&world, &sound);
    mark(&world, MARK_SET_ASIDE, words, 1, NULL);
    keep_world_told(&world, "set-aside - default/1111\n");
    assert_true(keep_world_has_trashed(&world, &id));
    mark(&world, MARK_SET_ASIDE, words + 1, 1, NULL);
    assert_int_equal(world.outcome.failed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_are_put_on_points_and_taken_off),
        cmocka_unit_test(removed_points_are_in_the_trash),
        cmocka_unit_test(each_point_fails_alone),
        cmocka_unit_test(a_damaged_point_is_set_aside),
    };

    return cmocka_run_group_tests_name("ops keep marks", tests, NULL, NULL);
}
