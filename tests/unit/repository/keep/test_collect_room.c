/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Collections of a store that runs full in the middle of a call: what it was to create may be there.
 */
#include <string.h>

#include "keep_world.h"

/* Fails the first flush of an object below this folder. */
struct full_flush {
    const char *folder;
    bool failed;
};

static int fail_flush(void *opaque, enum memory_step step, const char *name, struct err *err)
{
    struct full_flush *flush = opaque;

    if (step != MEMORY_FLUSH || flush->failed ||
        strncmp(name, flush->folder, strlen(flush->folder)))
        return 0;
    flush->failed = true;
    return err_set(err, ERR_NO_SPACE, "the quota is used up");
}

/* Its token, a verdict. */
static void what_could_not_be_flushed_is_created_with_the_reserve(void **state)
{
    static const char *const folders[] = {"c/", "t/"};
    const struct mark mark = {.by = "alpha", .reason = "test"};

    (void)state;
    for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
        struct full_flush flush = {.folder = folders[i]};
        const struct memory_hook hook = {fail_flush, &flush};
        const struct point_id point = keep_world_point(1, 1);
        CLEANUP_KEEP_WORLD struct keep_world world = {0};
        bool made = false;
        keep_world_begin(&world);
        struct collect_settings settings = keep_world_settings(&world);
        keep_world_put(&world, &point, NULL);
        assert_int_equal(marks_trash(&world.scope, &point, &mark, &made, NULL), 0);
        struct store *store = world.repository->store;
        world.repository->store = memory_open(world.memory, &hook);
        assert_int_equal(keep_world_collect(&world, &settings).points_removed, 1);
        store_close(world.repository->store);
        world.repository->store = store;
        assert_true(flush.failed);
        assert_non_null(strstr((const char *)world.events.data, "reserved "));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_could_not_be_flushed_is_created_with_the_reserve),
    };

    return cmocka_run_group_tests_name("repository collect room", tests, NULL, NULL);
}
