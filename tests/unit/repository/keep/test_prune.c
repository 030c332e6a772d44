/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What prune does with points that cannot be read. What a policy keeps is in test_retention.c.
 */
#include "keep_world.h"

#include <string.h>

#include "repository/keep/prune.h"
#include "repository/check_records.h"
#include "repository/stored_point.h"
#include "repository/stored_unpack.h"

static void note_event(void *opaque, const struct prune_event *event)
{
    static const char *const words[] = {
        [PRUNE_KEEPS] = "keeps",       [PRUNE_DROPS] = "drops",     [PRUNE_DAMAGED] = "damaged",
        [PRUNE_IN_TRASH] = "in trash", [PRUNE_REFUSED] = "refused", [PRUNE_TOO_NEW] = "too new",
        [PRUNE_STALE] = "stale",       [PRUNE_UNKNOWN] = "unknown"};

    buf_printf(opaque, "%s %02x%s%s\n", words[event->kind], event->point.session.bytes[ID_SIZE - 1],
               event->text ? ": " : "", event->text ? event->text : "");
}

static void pass_event(void *opaque, const struct prune_event *event)
{
    (void)opaque;
    (void)event;
}

struct failing {
    struct id session; /* of the point that cannot be read */
    enum err_kind kind;
};

static int fail_at_a_point(void *opaque, const struct parser_task *task, struct buf *ret,
                           struct err *err)
{
    const struct failing *failing = opaque;
    const struct slot_id *id = task->data;

    /* In company with others it does not survive, either. */
    if (task->function != stored_unpack_info)
        return err_set(err, ERR_IO, "the process has ended");
    if (id_compare(&id->session, &failing->session) == 0)
        return err_set(err, failing->kind, "cannot be read");
    return task->function(task->data, task->len, ret, err);
}

/* A sector that is bad, a file that is not ours, a process that does not survive it. */
static void a_point_that_cannot_be_read_stays_and_keeps_no_other_from_being_pruned(void **state)
{
    static const enum err_kind kinds[] = {ERR_CORRUPT, ERR_IO, ERR_DENIED};

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        CLEANUP_KEEP_WORLD struct keep_world world = {0};
        /* As of today: by the clock of the store all are of the last hour. */
        const struct prune_settings settings = {.policy.keep = {[RETENTION_LAST] = 1},
                                                .dry_run = true};
        struct prune_result result = {0};
        CLEANUP_BUF struct buf events = {0};
        CLEANUP_ERR struct err err = ERR_INIT;
        struct point_id points[3];

        keep_world_begin(&world);
        for (unsigned j = 0; j < 3; j++) {
            points[j] = keep_world_point(2, j + 1);
            keep_world_put(&world, &points[j], NULL);
        }
        const struct failing failing = {points[1].session, kinds[i]};
        const struct parser parser = {(void *)&failing, fail_at_a_point};
        world.scope.parser = &parser;
        const struct prune_events told = {note_event, &events};
        if (prune_run(&world.scope, &settings, &told, &result, &err) < 0)
            fail_msg("%s", err.text);
        CLEANUP_FREE char *text = buf_take_str(&events);

        assert_int_equal(result.points_damaged, 1);
        assert_int_equal(result.points_dropped, 1);
        assert_int_equal(result.points_kept, 2);
        assert_non_null(strstr(text, "drops 34\n"));
        assert_non_null(strstr(text, "damaged 59: memory/p/default/"));
        assert_non_null(strstr(text, "keeps 7e\n"));
    }
}

/* What keeps the run from going on is no damage of points. */
static void a_failure_of_the_run_is_not_one_of_the_point(void **state)
{
    static const enum err_kind kinds[] = {ERR_TRANSIENT, ERR_CANCELLED, ERR_NO_SPACE};

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        CLEANUP_KEEP_WORLD struct keep_world world = {0};
        const struct prune_settings settings = {.policy.keep = {[RETENTION_LAST] = 1}};
        struct prune_result result = {0};
        CLEANUP_BUF struct buf events = {0};
        CLEANUP_ERR struct err err = ERR_INIT;
        struct point_id point = keep_world_point(2, 1);

        keep_world_begin(&world);
        keep_world_put(&world, &point, NULL);
        const struct failing failing = {point.session, kinds[i]};
        const struct parser parser = {(void *)&failing, fail_at_a_point};
        world.scope.parser = &parser;
        const struct prune_events told = {note_event, &events};
        assert_int_equal(prune_run(&world.scope, &settings, &told, &result, &err), -1);
        assert_int_equal(err.kind, kinds[i]);
        assert_int_equal(result.points_damaged, 0);
    }
}

static void begin_with_three(struct keep_world *world, struct point_id points[static 3])
{
    keep_world_begin(world);
    for (unsigned i = 0; i < 3; i++) {
        points[i] = keep_world_point(2, i + 1);
        keep_world_put(world, &points[i], NULL);
    }
}

static void note_verified(struct keep_world *world, const struct point_id *point,
                          enum small_result result, int64_t when_ms)
{
    static char host[] = "alpha";
    const struct small_object verification = {
        .kind = SMALL_VERIFICATION,
        .host = host,
        .level = LEVEL_DATA,
        .result = result,
        .when_ms = when_ms,
    };

    CLEANUP_ERR struct err err = ERR_INIT;
    if (check_records_note(&world->scope, point, &verification, &err) < 0)
        fail_msg("%s", err.text);
}

static char *prune_dry(struct keep_world *world, bool verified_only, struct prune_result *ret)
{
    const struct prune_settings settings = {
        .policy = {.keep = {[RETENTION_LAST] = 1}, .force = true},
        .verified_only = verified_only,
        .dry_run = true};
    struct buf events = {0};
    const struct prune_events told = {note_event, &events};
    CLEANUP_ERR struct err err = ERR_INIT;

    *ret = (struct prune_result){0};
    if (prune_run(&world->scope, &settings, &told, ret, &err) < 0)
        fail_msg("%s", err.text);
    return buf_take_str(&events);
}

static void points_that_are_not_verified_count_for_nothing_if_told(void **state)
{
    CLEANUP_KEEP_WORLD struct keep_world world = {0};
    struct prune_result result;
    struct point_id points[3];

    (void)state;
    begin_with_three(&world, points);
    CLEANUP_FREE char *all = prune_dry(&world, false, &result);
    assert_string_equal(all, "drops 34\ndrops 59\nkeeps 7e\n");
    CLEANUP_FREE char *none = prune_dry(&world, true, &result);
    assert_string_equal(none, "keeps 34\nkeeps 59\nkeeps 7e\n");
    assert_int_equal(result.points_kept, 3);
    /* Two that are good: the newest of all, which is not, keeps neither from being kept. */
    note_verified(&world, &points[0], RESULT_GOOD, 1000);
    note_verified(&world, &points[1], RESULT_GOOD, 1000);
    CLEANUP_FREE char *two = prune_dry(&world, true, &result);
    assert_string_equal(two, "keeps 7e\ndrops 34\nkeeps 59\n");
    assert_int_equal(result.points_kept, 2);
    assert_int_equal(result.points_dropped, 1);
    /* The last check counts. */
    note_verified(&world, &points[1], RESULT_BAD, 2000);
    CLEANUP_FREE char *bad = prune_dry(&world, true, &result);
    assert_string_equal(bad, "keeps 59\nkeeps 7e\nkeeps 34\n");
}

static void points_in_the_trash_are_not_kept(void **state)
{
    const struct prune_settings settings = {.policy.keep = {[RETENTION_LAST] = 1}};
    const struct mark mark = {.by = "alpha", .reason = "test"};
    CLEANUP_KEEP_WORLD struct keep_world world = {0};
    struct prune_result result = {0};
    CLEANUP_BUF struct buf events = {0};
    const struct prune_events told = {note_event, &events};
    struct point_id points[3];
    bool made = false;

    (void)state;
    begin_with_three(&world, points);
    assert_int_equal(marks_trash(&world.scope, &points[0], &mark, &made, NULL), 0);
    const struct failing newer = {points[1].session, ERR_UNSUPPORTED};
    const struct parser parser = {(void *)&newer, fail_at_a_point};
    world.scope.parser = &parser;
    assert_int_equal(prune_run(&world.scope, &settings, &told, &result, NULL), 0);
    CLEANUP_FREE char *text = buf_take_str(&events);
    assert_non_null(strstr(text, "in trash 34\ntoo new 59: "));
    assert_int_equal(result.guests_refused, 1);
    assert_int_equal(result.points_dropped, 0);
    assert_int_equal(result.points_kept, 2);
}

static void tags_keep_points(void **state)
{
    static const char *const tags[] = {"weekly"};
    const struct prune_settings settings = {
        .policy = {.keep = {[RETENTION_LAST] = 1}, .tags = {tags, 1}, .force = true},
        .dry_run = true};
    const struct mark mark = {.by = "alpha", .reason = "test"};
    CLEANUP_KEEP_WORLD struct keep_world world = {0};
    struct prune_result result = {0};
    CLEANUP_BUF struct buf events = {0};
    const struct prune_events told = {note_event, &events};
    struct point_id points[3];
    bool changed = false;

    (void)state;
    begin_with_three(&world, points);
    assert_int_equal(marks_tag(&world.scope, &points[1], "weekly", &mark, &changed, NULL), 0);
    assert_int_equal(prune_run(&world.scope, &settings, &told, &result, NULL), 0);
    CLEANUP_FREE char *text = buf_take_str(&events);
    assert_string_equal(text, "drops 34\nkeeps 59\nkeeps 7e\n");
}

/* ---- a store that fails ---------------------------------------------------------------------- */

struct bad_step {
    unsigned step; /* that fails; counted down */
    const char *below;
    enum memory_step what;
    enum err_kind kind;
    bool any; /* whatever it is, and wherever */
    bool failed;
};

static int fail_at_step(void *opaque, enum memory_step step, const char *name, struct err *err)
{
    struct bad_step *bad = opaque;

    if (bad->failed ||
        (!bad->any && (step != bad->what || strncmp(name, bad->below, strlen(bad->below)) != 0)) ||
        bad->step-- > 0)
        return 0;
    bad->failed = true;
    return err_set(err, bad->kind, "the store fails");
}

/* With two points to drop, and one of which a pack is known to be bad. */
static int prune_badly(struct bad_step *bad, struct prune_result *ret, struct err *err)
{
    const struct memory_hook hook = {fail_at_step, bad};
    const struct prune_settings settings = {.policy.keep = {[RETENTION_LAST] = 1},
                                            .policy.force = true};
    const struct prune_events told = {pass_event, NULL};
    CLEANUP_KEEP_WORLD struct keep_world world = {0};
    struct point_id points[4];

    keep_world_begin(&world);
    for (unsigned i = 0; i < 4; i++) {
        points[i] = keep_world_point(2, i + 1);
        keep_world_put(&world, &points[i], NULL);
    }
    CLEANUP_FREE char *record = objects_name(&world.scope, NAME_BAD_PACK, &points[0], 1);
    keep_world_put_object(&world, record, "{}");
    memory_add_time(world.memory, INT64_C(24) * 3600 * 1000);
    world.scope.store = memory_open(world.memory, &hook);
    int status = prune_run(&world.scope, &settings, &told, ret, err);
    store_close(world.scope.store);
    world.scope.store = world.repository->store;
    return status;
}

/* What cannot be told now is never taken for nothing. */
static void any_step_that_fails_ends_the_run(void **state)
{
    struct prune_result result = {0};
    unsigned steps = 0;

    (void)state;
    for (;; steps++) {
        struct bad_step bad = {.step = steps, .any = true, .kind = ERR_TRANSIENT};
        CLEANUP_ERR struct err err = ERR_INIT;
        if (prune_badly(&bad, &result, &err) == 0) {
            assert_false(bad.failed);
            break;
        }
        assert_true(bad.failed);
        assert_int_equal(err.kind, ERR_TRANSIENT);
    }
    assert_in_range(steps, 20, 200);
    assert_int_equal(result.guests, 1);
    assert_int_equal(result.points_damaged, 1);
    assert_int_equal(result.points_dropped, 2);
    assert_int_equal(result.points_kept, 2);
}

/* What a collection has removed meanwhile is dropped, too. */
static void a_point_that_goes_meanwhile_is_no_failure(void **state)
{
    struct bad_step bad = {.below = "t/", .what = MEMORY_CREATE, .kind = ERR_NOT_FOUND};
    struct prune_result result = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(prune_badly(&bad, &result, &err), 0);
    assert_true(bad.failed);
    assert_int_equal(result.points_dropped, 2);
}

/* A job of many guests prunes each by itself, so what it costs must not grow with their number. */
static void of_one_guest_nothing_else_is_listed(void **state)
{
    CLEANUP_KEEP_WORLD struct keep_world world = {0};
    struct point_id points[3];
    char uuid[ID_UUID_SIZE];
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    begin_with_three(&world, points);
    const struct point_id other = keep_world_point(3, 4);
    keep_world_put(&world, &other, NULL);
    keep_world_put_object(&world, "p/default/zzz", "");
    for (size_t count = 0; count < 2; count++) {
        const char *guest = id_uuid(&points[0].guest, uuid);
        bool found = false;
        const struct prune_settings settings = {
            .policy = {.keep = {[RETENTION_LAST] = 1}, .force = true},
            .dry_run = true,
            .guests = &guest,
            .guest_count = count,
            .found = &found};
        CLEANUP_BUF struct buf events = {0};
        const struct prune_events told = {note_event, &events};
        struct prune_result result = {0};
        if (prune_run(&world.scope, &settings, &told, &result, &err) < 0)
            fail_msg("%s", err.text);
        CLEANUP_FREE char *text = buf_take_str(&events);
        assert_int_equal(result.guests, 2 - count);
        assert_int_equal(result.points_dropped, 2);
        assert_int_equal(found, count);
        assert_int_equal(strstr(text, "unknown") != NULL, count == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_of_the_run_is_not_one_of_the_point),
        cmocka_unit_test(a_point_that_cannot_be_read_stays_and_keeps_no_other_from_being_pruned),
        cmocka_unit_test(points_in_the_trash_are_not_kept),
        cmocka_unit_test(points_that_are_not_verified_count_for_nothing_if_told),
        cmocka_unit_test(tags_keep_points),
        cmocka_unit_test(any_step_that_fails_ends_the_run),
        cmocka_unit_test(a_point_that_goes_meanwhile_is_no_failure),
        cmocka_unit_test(of_one_guest_nothing_else_is_listed),
    };

    return cmocka_run_group_tests_name("prune", tests, NULL, NULL);
}
