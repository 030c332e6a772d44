/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A collection under a limit of memory.
 */
#include <string.h>

#include "keep_world.h"

#define WORLD                                                                                      \
    CLEANUP_KEEP_WORLD struct keep_world world = {0};                                              \
    keep_world_begin(&world);                                                                      \
    struct collect_settings settings = keep_world_settings(&world)

/* How many MiB the error asks for. */
static uint64_t fail_for_memory(struct keep_world *world, const struct collect_settings *settings)
{
    const struct collect_events events = {keep_world_pass_event, NULL};
    struct collect_result result = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    unsigned long mib = 0;

    assert_int_equal(collect_run(world->repository, settings, &events, &result, &err), -1);
    assert_int_equal(err.kind, ERR_UNSUPPORTED);
    const char *remedy = strstr(err.text, "--memory-limit ");
    assert_non_null(remedy);
    assert_int_equal(sscanf(remedy, "--memory-limit %luM", &mib), 1);
    return mib;
}

/* Beside the first two. */
static void put_many_packs(struct keep_world *world, const struct point_id *point, unsigned count)
{
    for (unsigned i = 2; i < count + 2; i++) {
        CLEANUP_FREE char *name = objects_name(&world->scope, NAME_PACK, point, i);
        keep_world_put_object(world, name, "pack");
    }
}

static void too_little_memory_is_told_before_anything_changes(void **state)
{
    const struct point_id point = keep_world_point(1, 1), dead = keep_world_point(1, 2);
    const struct mark test_mark = {.by = "remove", .reason = "test"};
    bool made = false;
    WORLD;

    (void)state;
    keep_world_put(&world, &point, NULL);
    assert_int_equal(marks_trash(&world.scope, &point, &test_mark, &made, NULL), 0);
    settings.memory_limit = 1;
    uint64_t little = fail_for_memory(&world, &settings);
    put_many_packs(&world, &dead, 5000);
    uint64_t mib = fail_for_memory(&world, &settings);
    /* 16 bytes and a bit; and the folder that they are all in. */
    assert_in_range(mib - little, 1, 2);
    settings.memory_limit = (mib - 1) << 20;
    assert_int_equal(fail_for_memory(&world, &settings), mib);
    assert_false(keep_world_has(&world, NAME_VERDICT, &point, 1));

    const char *token = memory_next(world.memory, "c/");
    assert_false(token && token[0] == 'c' && token[1] == '/');
    settings.memory_limit = mib << 20;
    struct collect_result result = keep_world_collect(&world, &settings);
    assert_int_equal(result.points_removed, 1);
    assert_int_equal(result.packs_removed, 5002);
}

static void what_an_earlier_run_has_left_is_counted_too(void **state)
{
    const struct point_id dead = keep_world_point(1, 1);
    WORLD;

    (void)state;
    keep_world_put_packs(&world, &dead);
    put_many_packs(&world, &dead, 5000);
    assert_int_equal(keep_world_collect(&world, &settings).outcome, COLLECT_UNFINISHED);
    settings.memory_limit = 1;
    uint64_t mib = fail_for_memory(&world, &settings);
    assert_in_range(mib, 33, 34);
    settings.memory_limit = mib << 20;
    struct collect_result result = keep_world_collect(&world, &settings);
    assert_string_equal((const char *)world.events.data, "resumed fenced ");
    assert_int_equal(result.packs_removed, 5002);
}

/* Makes packs after they were counted. */
static int put_packs_after_count(void *opaque, enum memory_step step, const char *name,
                                 struct err *err)
{
    struct keep_world *world = opaque;
    const struct point_id point = keep_world_point(1, 1);
    static bool done;

    (void)err;
    if (step == MEMORY_CREATE && name[0] == 'c' && name[1] == '/' && !done) {
        done = true;
        put_many_packs(world, &point, 2000);
    }
    return 0;
}

static void packs_beyond_those_counted_are_too_many(void **state)
{
    WORLD;
    const struct memory_hook hook = {put_packs_after_count, &world};
    const struct collect_events events = {keep_world_pass_event, NULL};
    struct store *store = world.repository->store;
    struct collect_result result = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    settings.memory_limit = UINT64_C(1) << 30;
    world.repository->store = memory_open(world.memory, &hook);
    assert_int_equal(collect_run(world.repository, &settings, &events, &result, &err), -1);
    assert_int_equal(err.kind, ERR_TRANSIENT);
    store_close(world.repository->store);
    world.repository->store = store;
    assert_int_equal(keep_world_collect(&world, &settings).packs_removed, 2000);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(too_little_memory_is_told_before_anything_changes),
        cmocka_unit_test(what_an_earlier_run_has_left_is_counted_too),
        cmocka_unit_test(packs_beyond_those_counted_are_too_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
