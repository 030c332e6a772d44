/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <string.h>

#include "keep_world.h"
#include "repository/keep/trash.h"

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

static void fence_after_two_looks(struct keep_world *world, struct collect_settings *settings)
{
    assert_int_equal(keep_world_collect(world, settings).outcome, COLLECT_UNFINISHED);
    assert_string_equal((const char *)world->events.data, "waiting ");
    struct collect_result result = keep_world_collect(world, settings);
    assert_int_equal(result.outcome, COLLECT_DONE);
    assert_int_equal(result.sessions_fenced, 1);
    assert_string_equal((const char *)world->events.data, "resumed fenced ");
}

static void a_silent_session_is_fenced_and_its_packs_go(void **state)
{
    const struct point_id dead = keep_world_point(1, 1);
    WORLD;

    (void)state;
    keep_world_put_packs(&world, &dead);
    fence_after_two_looks(&world, &settings);
    assert_true(keep_world_has(&world, NAME_SLOT, &dead, 0));
    assert_false(keep_world_has(&world, NAME_PACK, &dead, 1));
    assert_false(keep_world_has(&world, NAME_SESSION, &dead, 0));
}

static void a_session_that_puts_packs_is_not_silent(void **state)
{
    const struct point_id alive = keep_world_point(1, 1);
    CLEANUP_FREE char *third = NULL;
    WORLD;

    (void)state;
    keep_world_put_packs(&world, &alive);
    assert_int_equal(keep_world_collect(&world, &settings).outcome, COLLECT_UNFINISHED);
    third = objects_name(&world.scope, NAME_PACK, &alive, 2);
    keep_world_put_object(&world, third, "pack");
    assert_int_equal(keep_world_collect(&world, &settings).outcome, COLLECT_UNFINISHED);
    settings.silence_ms = DAY_MS;
    assert_int_equal(keep_world_collect(&world, &settings).outcome, COLLECT_UNFINISHED);
    settings.silence_ms = 0;
    assert_int_equal(keep_world_collect(&world, &settings).sessions_fenced, 1);
}

/* Its packs are spared: they are in a slot that was filled since the first look. */
static void a_session_that_ends_meanwhile_keeps_its_point(void **state)
{
    const struct point_id slow = keep_world_point(1, 1);
    CLEANUP_BUF struct buf bytes = {0};
    CLEANUP_FREE char *slot = NULL;
    WORLD;

    (void)state;
    keep_world_put_packs(&world, &slow);
    assert_int_equal(keep_world_collect(&world, &settings).outcome, COLLECT_UNFINISHED);
    bytes = keep_world_bytes(&world, &slow, NULL);
    slot = objects_name(&world.scope, NAME_SLOT, &slow, 0);
    keep_world_put_bytes(&world, slot, bytes.data, bytes.len);
    struct collect_result result = keep_world_collect(&world, &settings);
    assert_int_equal(result.outcome, COLLECT_DONE);
    assert_int_equal(result.packs_removed, 0);
    assert_true(keep_world_restores(&world, &slow));
}

static void damaged_state_and_a_lost_token_begin_anew(void **state)
{
    const struct point_id dead = keep_world_point(1, 1);
    CLEANUP_STRINGS struct strings tokens = {0};
    WORLD;

    (void)state;
    keep_world_put_packs(&world, &dead);
    settings.silence_ms = DAY_MS;
    assert_int_equal(keep_world_collect(&world, &settings).outcome, COLLECT_UNFINISHED);
    keep_world_damage_state(&world, "collection", 40);
    assert_int_equal(keep_world_collect(&world, &settings).outcome, COLLECT_UNFINISHED);
    assert_events("anew waiting ");
    for (const char *name = memory_next(world.memory, "c/");
         name && name[0] == 'c' && name[1] == '/'; name = memory_next(world.memory, name))
        strings_add(&tokens, name);
    assert_int_equal(store_delete(world.scope.store, &tokens, NULL), 0);
    assert_int_equal(keep_world_collect(&world, &settings).outcome, COLLECT_UNFINISHED);
    assert_events("anew waiting ");
    assert_int_equal(keep_world_collect(&world, &settings).outcome, COLLECT_UNFINISHED);
    assert_events("resumed waiting ");
}

/* When a point is removed, the token of the collection goes. */
static void lose_tokens(void *opaque, const struct collect_event *event)
{
    struct keep_world *world = opaque;
    CLEANUP_STRINGS struct strings tokens = {0};

    if (event->kind != COLLECT_REMOVED)
        return;
    for (const char *name = memory_next(world->memory, "c/");
         name && name[0] == 'c' && name[1] == '/'; name = memory_next(world->memory, name))
        strings_add(&tokens, name);
    assert_int_equal(store_delete(world->scope.store, &tokens, NULL), 0);
}

static void packs_that_a_lost_token_keeps_do_not_count(void **state)
{
    const struct point_id point = keep_world_point(1, 1);
    struct collect_result result = {0};
    WORLD;
    const struct collect_events events = {lose_tokens, &world};

    (void)state;
    keep_world_put(&world, &point, NULL);
    trash(&world, &point);
    assert_int_equal(collect_run(world.repository, &settings, &events, &result, NULL), 0);
    assert_int_equal(result.outcome, COLLECT_STOPPED);
    assert_int_equal(result.points_removed, 1);
    assert_true(keep_world_has(&world, NAME_PACK, &point, 0));
    assert_int_equal(result.packs_removed, 0);
    assert_int_equal(result.bytes_removed, 0);
    result = keep_world_collect(&world, &settings);
    assert_int_equal(result.packs_removed, 2);
    assert_int_equal(result.bytes_removed, 8);
}

static void a_damaged_cache_costs_nothing_but_time(void **state)
{
    const struct point_id first = keep_world_point(1, 1), second = keep_world_point(2, 2);
    WORLD;

    (void)state;
    keep_world_put(&world, &first, NULL);
    keep_world_put(&world, &second, NULL);
    assert_int_equal(keep_world_collect(&world, &settings).packs_removed, 0);
    /* In the id of a session whose packs are listed there. */
    keep_world_damage_state(&world, "packs", 16 + 4 + 4 + 5);
    assert_int_equal(keep_world_collect(&world, &settings).packs_removed, 0);
    assert_true(keep_world_restores(&world, &first));
    assert_true(keep_world_restores(&world, &second));
}

/* Another collection does its work when this one is about to do that for the given time. */
struct other_collection {
    struct keep_world *world;
    struct store *store;
    const struct point_id *point;
    enum memory_step step;
    const char *name;
    unsigned times;
    bool takes_only; /* its work so far is the verdict */
};

static int let_other_collect(void *opaque, enum memory_step step, const char *name, struct err *err)
{
    struct other_collection *other = opaque;
    struct keep_world *world = other->world;
    const struct stored_scope scope = {other->store, world->repository->id, "default", NULL};
    const struct slot_id id = {world->repository->id, other->point->session, other->point->guest};
    const struct trash_marker marker = {.point = *other->point, .number = 1, .there = true};
    CLEANUP_FREE char *slot = objects_name(&scope, NAME_SLOT, other->point, 0);
    enum trash_verdict verdict = TRASH_OPEN;
    uint8_t bytes[SLOT_TOMBSTONE_SIZE];
    struct store_object object = {.name = slot, .data = bytes, .len = sizeof(bytes)};
    bool made = false;

    if (step != other->step || strcmp(name, other->name) != 0 || other->times == 0 ||
        --other->times > 0)
        return 0;
    assert_int_equal(marks_trash(&scope, other->point, &test_mark, &made, err), 0);
    assert_int_equal(trash_judge(&scope, &marker, TRASH_TAKEN, &verdict, err), 0);
    assert_int_equal(verdict, TRASH_TAKEN);
    if (other->takes_only)
        return 0;
    slot_format_tombstone(SLOT_REMOVED, &id, bytes);
    return store_replace(other->store, &object, err);
}

static struct collect_result collect_beside(struct other_collection *other,
                                            const struct collect_settings *settings)
{
    const struct memory_hook hook = {let_other_collect, other};
    struct repository *repository = other->world->repository;

    other->store = repository->store;
    repository->store = memory_open(other->world->memory, &hook);
    struct collect_result result = keep_world_collect(other->world, settings);
    store_close(repository->store);
    repository->store = other->store;
    assert_int_equal(other->times, 0);
    return result;
}

/* If the repository were set back to a moment between the token and that removal, the point would be there
 * again, and so would the token. */
static void a_point_removed_since_the_token_keeps_its_packs(void **state)
{
    const struct point_id point = keep_world_point(1, 1);
    WORLD;
    CLEANUP_FREE char *slot = objects_name(&world.scope, NAME_SLOT, &point, 0);
    struct other_collection before_list = {
        .world = &world, .point = &point, .step = MEMORY_LIST, .name = "d/default/", .times = 1};
    struct other_collection before_read = {
        .world = &world, .point = &point, .step = MEMORY_GET, .name = slot, .times = 1};
    struct other_collection *const others[] = {&before_list, &before_read};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        CLEANUP_STRINGS struct strings names = {0};
        keep_world_put(&world, &point, NULL);
        assert_int_equal(collect_beside(others[i], &settings).outcome, COLLECT_STOPPED);
        assert_events("anew ");
        assert_true(keep_world_has(&world, NAME_PACK, &point, 0));
        assert_int_equal(keep_world_collect(&world, &settings).packs_removed, 2);
        strings_add(&names, slot);
        assert_int_equal(store_delete(world.scope.store, &names, NULL), 0);
    }
}

static void a_point_taken_since_the_token_stays(void **state)
{
    const struct point_id point = keep_world_point(1, 1);
    WORLD;
    struct other_collection other = {.world = &world,
                                     .point = &point,
                                     .step = MEMORY_LIST,
                                     .name = "t/default/",
                                     .times = 2,
                                     .takes_only = true};

    (void)state;
    keep_world_put(&world, &point, NULL);
    assert_int_equal(collect_beside(&other, &settings).points_removed, 0);
    assert_true(keep_world_restores(&world, &point));
    assert_int_equal(keep_world_collect(&world, &settings).points_removed, 1);
}

static void young_and_held_points_stay(void **state)
{
    const struct point_id young = keep_world_point(1, 1), held = keep_world_point(1, 2);
    bool made = false;
    WORLD;

    (void)state;
    keep_world_put(&world, &young, NULL);
    keep_world_put(&world, &held, NULL);
    trash(&world, &held);
    memory_add_time(world.memory, DAY_MS);
    trash(&world, &young);
    settings.trash_age_ms = DAY_MS;
    /* A hold takes a point out of the trash; this one is put there again. */
    assert_int_equal(marks_hold(&world.scope, &held, &test_mark, &made, NULL), 0);
    trash(&world, &held);
    memory_add_time(world.memory, DAY_MS / 2);
    assert_int_equal(keep_world_collect(&world, &settings).points_removed, 0);
    assert_events("young held ");
    memory_add_time(world.memory, DAY_MS);
    assert_int_equal(keep_world_collect(&world, &settings).points_removed, 1);
    assert_true(keep_world_restores(&world, &held));
    assert_int_equal(marks_release(&world.scope, &held, &made, NULL), 0);
    assert_true(made);
    assert_int_equal(keep_world_collect(&world, &settings).points_removed, 1);
    assert_false(keep_world_has(&world, NAME_HOLD, &held, 0));
}

static void a_dry_run_changes_nothing(void **state)
{
    const struct point_id point = keep_world_point(1, 1), dead = keep_world_point(1, 2);
    CLEANUP(memory_free_of) struct memory *before = NULL;
    WORLD;

    (void)state;
    keep_world_put(&world, &point, NULL);
    keep_world_put_packs(&world, &dead);
    trash(&world, &point);
    settings.dry_run = true;
    before = memory_snapshot(world.memory);
    struct collect_result result = keep_world_collect(&world, &settings);
    assert_int_equal(result.points_removed, 1);
    assert_int_equal(result.packs_removed, 4);
    assert_events("taken ");
    assert_true(keep_world_same(world.memory, before));
}

static void stops_all_until_it_is_set_aside(const void *rest, size_t len)
{
    const struct point_id bad = keep_world_point(1, 1), dead = keep_world_point(1, 2);
    const struct collect_events events = {keep_world_pass_event, NULL};
    CLEANUP_FREE char *slot = NULL, *copy = NULL;
    struct collect_result result;
    CLEANUP_ERR struct err err = ERR_INIT;
    WORLD;

    keep_world_put_packs(&world, &bad);
    keep_world_put_packs(&world, &dead);
    slot = objects_name(&world.scope, NAME_SLOT, &bad, 0);
    keep_world_put_bytes(&world, slot, rest, len);
    keep_world_put_removed(&world, &dead);
    assert_int_equal(collect_run(world.repository, &settings, &events, &result, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
    assert_non_null(strstr(err.text, "set-aside"));
    assert_non_null(strstr(err.text, slot));
    assert_true(keep_world_has(&world, NAME_PACK, &dead, 0));
    assert_int_equal(marks_set_aside(&world.scope, &bad, &test_mark, &copy, NULL), 0);
    assert_true(memory_look(world.memory, copy).data);
    assert_int_equal(keep_world_collect(&world, &settings).points_removed, 1);
    assert_false(keep_world_has(&world, NAME_PACK, &dead, 0));
    assert_false(keep_world_has(&world, NAME_PACK, &bad, 0));
}

static void what_cannot_be_read_stops_all_until_it_is_set_aside(void **state)
{
    static const uint8_t rest[SLOT_TOMBSTONE_SIZE] = "VBPOINT1";

    (void)state;
    stops_all_until_it_is_set_aside("neither a point nor a tombstone", 31);
    stops_all_until_it_is_set_aside(rest, sizeof(rest)); /* what has the length of a tombstone */
}

static void a_full_store_gets_its_reserve(void **state)
{
    const struct point_id point = keep_world_point(1, 1);
    WORLD;

    (void)state;
    keep_world_put(&world, &point, NULL);
    trash(&world, &point);
    assert_int_equal(keep_world_collect_when_full(&world, &settings).points_removed, 1);
    assert_events("reserved taken removed ");
    assert_true(memory_look(world.memory, "reserve").data);
}

static void a_point_that_cannot_be_replaced_stays_with_its_packs(void **state)
{
    const struct point_id point = keep_world_point(1, 1);
    WORLD;

    (void)state;
    keep_world_put(&world, &point, NULL);
    trash(&world, &point);
    memory_set_locked(world.memory, true);
    assert_int_equal(keep_world_collect(&world, &settings).packs_removed, 0);
    assert_events("taken stays ");
    assert_true(keep_world_restores(&world, &point));
    memory_set_locked(world.memory, false);
    assert_int_equal(keep_world_collect(&world, &settings).packs_removed, 2);
}

static void stores_that_promise_less_want_to_be_told_so(void **state)
{
    const struct collect_events events = {keep_world_pass_event, NULL};
    struct collect_result result;
    CLEANUP_ERR struct err err = ERR_INIT;
    WORLD;

    (void)state;
    world.repository->create_only = CREATE_ONLY_NONE;
    assert_int_equal(collect_run(world.repository, &settings, &events, &result, &err), -1);
    assert_non_null(strstr(err.text, "--alone"));
    settings.alone = true;
    world.repository->lagging = "nfs";
    assert_int_equal(collect_run(world.repository, &settings, &events, &result, &err), -1);
    assert_non_null(strstr(err.text, "--nfs-ok"));
    settings.nfs_ok = true;
    assert_int_equal(collect_run(world.repository, &settings, &events, &result, &err), 0);
}

/* A descriptor with which nothing can be flushed. */
static void a_state_directory_that_cannot_be_flushed_is_named(void **state)
{
    const struct collect_events events = {keep_world_pass_event, NULL};
    struct collect_result result;
    CLEANUP_ERR struct err err = ERR_INIT;
    WORLD;

    (void)state;
    CLEANUP_CLOSE int path_fd = open(world.state_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(path_fd >= 0);
    settings.state_fd = path_fd;
    assert_int_equal(collect_run(world.repository, &settings, &events, &result, &err), -1);
    assert_non_null(strstr(err.text, "the state directory: "));
}

static void what_is_left_goes_when_it_is_old(void **state)
{
    const struct point_id point = keep_world_point(1, 1), fenced = keep_world_point(1, 2);
    WORLD;

    (void)state;
    keep_world_put(&world, &point, NULL);
    keep_world_put_packs(&world, &fenced);
    fence_after_two_looks(&world, &settings);
    trash(&world, &point);
    keep_world_put_object(&world, "c/default/0123456789abcdef", "{}");
    keep_world_put_object(&world, "tmp/0123456789abcdef", "part");
    keep_world_put_object(&world, "p/default/README", "whose?");
    assert_int_equal(keep_world_collect(&world, &settings).points_removed, 1);
    assert_true(keep_world_has(&world, NAME_SLOT, &point, 0));
    memory_add_time(world.memory, 31 * DAY_MS);
    keep_world_collect(&world, &settings);
    assert_false(keep_world_has(&world, NAME_SLOT, &point, 0));
    assert_true(keep_world_has(&world, NAME_SLOT, &fenced, 0));
    assert_null(memory_look(world.memory, "c/default/0123456789abcdef").data);
    assert_null(memory_look(world.memory, "tmp/0123456789abcdef").data);
    assert_true(memory_look(world.memory, "p/default/README").data);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_removed_point_goes_with_the_packs_that_only_it_needs),
        cmocka_unit_test(a_base_may_go_before_what_was_built_on_it),
        cmocka_unit_test(a_silent_session_is_fenced_and_its_packs_go),
        cmocka_unit_test(a_session_that_puts_packs_is_not_silent),
        cmocka_unit_test(a_session_that_ends_meanwhile_keeps_its_point),
        cmocka_unit_test(damaged_state_and_a_lost_token_begin_anew),
        cmocka_unit_test(packs_that_a_lost_token_keeps_do_not_count),
        cmocka_unit_test(a_damaged_cache_costs_nothing_but_time),
        cmocka_unit_test(a_point_removed_since_the_token_keeps_its_packs),
        cmocka_unit_test(a_point_taken_since_the_token_stays),
        cmocka_unit_test(young_and_held_points_stay),
        cmocka_unit_test(a_dry_run_changes_nothing),
        cmocka_unit_test(what_cannot_be_read_stops_all_until_it_is_set_aside),
        cmocka_unit_test(a_full_store_gets_its_reserve),
        cmocka_unit_test(a_point_that_cannot_be_replaced_stays_with_its_packs),
        cmocka_unit_test(stores_that_promise_less_want_to_be_told_so),
        cmocka_unit_test(a_state_directory_that_cannot_be_flushed_is_named),
        cmocka_unit_test(what_is_left_goes_when_it_is_old),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
