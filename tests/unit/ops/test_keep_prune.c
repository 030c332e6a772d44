/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/units.h"
#include "keep_world.h"

#include <string.h>
#include <time.h>

static int prune(struct keep_world *world, struct prune_options *options, struct err *err)
{
    const struct report report = keep_world_report(world);

    options->repository = world->folder.path;
    return keep_prune(options, &report, &world->outcome, err);
}

static int64_t days_ago(unsigned days)
{
    return ((int64_t)time(NULL) * 1000) - (int64_t)days * DAY_MS;
}

static void plant_days(struct keep_world *world, uint8_t guest, const char *name, unsigned first,
                       unsigned last, struct point_id *ret_first)
{
    for (unsigned day = first; day + 1 > last; day--) {
        char id[ID_TEXT_SIZE + 8];
        snprintf(id, sizeof(id), "%012llx%04x%016x", (unsigned long long)days_ago(day), day, guest);
        const struct planted planted = {guest, name, id, days_ago(day), 0};
        struct point_id made = keep_world_plant(world, &planted);
        if (day == first)
            *ret_first = made;
        if (day == 0)
            break;
    }
}

static void what_the_policy_drops_is_in_the_trash(void **state)
{
    CLEANUP_KEEP_WORLD struct keep_world world = {0};
    struct prune_options options = {.policy.keep = {[RETENTION_LAST] = 2}, .dry_run = true};
    CLEANUP_ERR struct err err = ERR_INIT;
    struct point_id web, db;

    (void)state;
    keep_world_begin(&world);
    plant_days(&world, 2, "web", 3, 1, &web);
    plant_days(&world, 4, "db", 2, 1, &db);
    assert_int_equal(prune(&world, &options, NULL), 0);
    keep_world_told(&world, "verdict web default/0003 drop -\n"
                            "verdict web default/0002 keep keep-last\n"
                            "verdict web default/0001 keep keep-last\n"
                            "guest-pruned web 2/1\n"
                            "verdict db default/0002 keep keep-last\n"
                            "verdict db default/0001 keep keep-last\n"
                            "guest-pruned db 2/0\n");
    assert_false(keep_world_has_trashed(&world, &web));
    options.dry_run = false;
    assert_int_equal(prune(&world, &options, NULL), 0);
    keep_world_told(&world, "pruned web default/0003\nguest-pruned web 2/1\nguest-pruned db 2/0\n");
    assert_true(keep_world_has_trashed(&world, &web));
    assert_false(keep_world_has_trashed(&world, &db));
    assert_int_equal(world.outcome.good, 2);
    /* what is in the trash counts for nothing */
    assert_int_equal(prune(&world, &options, NULL), 0);
    keep_world_told(&world, "guest-pruned web 2/0\nguest-pruned db 2/0\n");
    options.policy.keep[RETENTION_LAST] = 0;
    assert_fails(prune(&world, &options, &err), &err, ERR_USAGE);
    options.time_zone = "Europe/Nowhere";
    assert_fails(prune(&world, &options, &err), &err, ERR_NOT_FOUND);
}

static void only_guests_that_are_named_are_pruned(void **state)
{
    CLEANUP_KEEP_WORLD struct keep_world world = {0};
    static const char *const names[] = {"web", "wbe"};
    char uuid[ID_UUID_SIZE];
    const char *const uuids[] = {uuid};
    struct prune_options options = {.policy.keep = {[RETENTION_LAST] = 2}, .domains = {names, 2}};
    struct point_id web, db;

    (void)state;
    keep_world_begin(&world);
    plant_days(&world, 2, "web", 3, 1, &web);
    plant_days(&world, 4, "db", 3, 1, &db);
    assert_int_equal(prune(&world, &options, NULL), 0);
    assert_true(keep_world_has_trashed(&world, &web));
    assert_false(keep_world_has_trashed(&world, &db));
    assert_int_equal(world.outcome.good, 1);
    assert_int_equal(world.outcome.failed, 1); /* there is no wbe */
    id_uuid(&db.guest, uuid);
    options.domains = (struct name_list){uuids, 1};
    assert_int_equal(prune(&world, &options, NULL), 0);
    assert_true(keep_world_has_trashed(&world, &db));
    assert_int_equal(world.outcome.good, 1);
    assert_int_equal(world.outcome.failed, 0);
}

static void a_guest_without_a_new_good_point_loses_nothing(void **state)
{
    CLEANUP_KEEP_WORLD struct keep_world world = {0};
    struct prune_options options = {.policy.keep = {[RETENTION_LAST] = 2},
                                    .newest_within_ms = 36 * UINT64_C(3600000)};
    struct point_id web, db, damaged;

    (void)state;
    keep_world_begin(&world);
    plant_days(&world, 2, "web", 4, 2, &web);
    plant_days(&world, 4, "db", 3, 1, &db);
    /* the new point of this one is damaged */
    plant_days(&world, 6, "mail", 4, 2, &damaged);
    char id[ID_TEXT_SIZE];
    snprintf(id, sizeof(id), "%012llx%04x%016x", (unsigned long long)days_ago(1), 1, 6);
    const struct planted broken = {6, "mail", id, 0, 0};
    struct point_id broken_id = keep_world_id(&broken);
    keep_world_plant_bytes(&world, &broken_id, "not a point", 11);
    assert_int_equal(prune(&world, &options, NULL), 0);
    assert_false(keep_world_has_trashed(&world, &web));
    assert_true(keep_world_has_trashed(&world, &db));
    assert_false(keep_world_has_trashed(&world, &damaged));
    assert_true(world.outcome.damaged);
    keep_world_told(&world, "skipped web old\n"
                            "pruned db default/0003\nguest-pruned db 2/1\n"
                            "damaged 06060606-0606-0606-0606-060606060606 default/0001\n"
                            "skipped mail old\n");
}

static void a_point_of_the_future_is_not_a_new_one(void **state)
{
    CLEANUP_KEEP_WORLD struct keep_world world = {0};
    struct prune_options options = {.policy = {.keep = {[RETENTION_LAST] = 2}, .force = true},
                                    .newest_within_ms = 36 * UINT64_C(3600000)};
    const int64_t future_ms = days_ago(0) + 400 * DAY_MS;
    char id[ID_TEXT_SIZE + 8];
    struct point_id web;

    (void)state;
    keep_world_begin(&world);
    plant_days(&world, 2, "web", 4, 2, &web);
    snprintf(id, sizeof(id), "%012llx%04x%016x", (unsigned long long)future_ms, 9, 2);
    const struct planted planted = {2, "web", id, future_ms, 0};
    keep_world_plant(&world, &planted);
    assert_int_equal(prune(&world, &options, NULL), 0);
    keep_world_told(&world, "skipped web old\n");
    assert_false(keep_world_has_trashed(&world, &web));
}

static void a_guest_that_would_lose_most_is_refused(void **state)
{
    CLEANUP_KEEP_WORLD struct keep_world world = {0};
    struct prune_options options = {.policy.keep = {[RETENTION_LAST] = 1}};
    struct point_id web, db;

    (void)state;
    keep_world_begin(&world);
    plant_days(&world, 2, "web", 4, 1, &web);
    plant_days(&world, 4, "db", 2, 1, &db);
    assert_int_equal(prune(&world, &options, NULL), 0);
    assert_false(keep_world_has_trashed(&world, &web));
    assert_true(keep_world_has_trashed(&world, &db));
    assert_int_equal(world.outcome.good, 1);
    assert_int_equal(world.outcome.failed, 1);
    keep_world_told(
        &world, "guest-failed web: guest 'web': 3 of 4 points would be dropped, more than half; to "
                "drop them, use --force\n"
                "pruned db default/0002\nguest-pruned db 1/1\n");
    options.policy.force = true;
    assert_int_equal(prune(&world, &options, NULL), 0);
    assert_true(keep_world_has_trashed(&world, &web));
}

static void a_point_of_a_newer_version_keeps_its_guest(void **state)
{
    CLEANUP_KEEP_WORLD struct keep_world world = {0};
    struct prune_options options = {.policy.keep = {[RETENTION_LAST] = 2}};
    struct point_id web, db, newer;

    (void)state;
    keep_world_begin(&world);
    plant_days(&world, 2, "web", 4, 2, &web);
    plant_days(&world, 4, "db", 3, 1, &db);
    char id[ID_TEXT_SIZE];
    snprintf(id, sizeof(id), "%012llx%04x%016x", (unsigned long long)days_ago(1), 1, 2);
    newer = keep_world_plant_newer(&world, &(struct planted){2, "web", id, days_ago(1), 0});
    assert_int_equal(prune(&world, &options, NULL), 0);
    assert_false(keep_world_has_trashed(&world, &web));
    assert_false(keep_world_has_trashed(&world, &newer));
    assert_true(keep_world_has_trashed(&world, &db));
    assert_int_equal(world.outcome.good, 1);
    assert_int_equal(world.outcome.failed, 1);
    assert_false(world.outcome.damaged);
    CLEANUP_FREE char *told = buf_take_str(&world.told);
    assert_non_null(strstr(told, "guest-failed web: guest 'web': point "));
    assert_non_null(strstr(told, id));
    assert_non_null(strstr(told, "has unknown flags: 100000; nothing of the guest is pruned"));
    assert_non_null(strstr(told, "pruned db default/0003\nguest-pruned db 2/1\n"));
    assert_null(strstr(told, "guest-pruned web"));
}

static void scopes_are_pruned_one_after_the_other(void **state)
{
    CLEANUP_KEEP_WORLD struct keep_world world = {0};
    struct prune_options options = {.policy.keep = {[RETENTION_LAST] = 1}, .scope = "lab"};
    CLEANUP_ERR struct err err = ERR_INIT;
    struct point_id web, db;

    (void)state;
    keep_world_begin(&world);
    plant_days(&world, 2, "web", 2, 1, &web);
    assert_int_equal(repository_add_scope(world.folder.repository, "lab", NULL), 0);
    world.scope.name = "lab";
    plant_days(&world, 2, "web", 2, 1, &db);
    assert_int_equal(prune(&world, &options, NULL), 0);
    keep_world_told(&world, "pruned web lab/0002\nguest-pruned web 1/1\n");
    options.scope = NULL;
    assert_int_equal(prune(&world, &options, NULL), 0);
    keep_world_told(&world,
                    "pruned web default/0002\nguest-pruned web 1/1\nguest-pruned web 1/0\n");
    options.scope = "nowhere";
    assert_int_equal(prune(&world, &options, &err), -1);
    assert_non_null(strstr(err.text, "scope 'nowhere'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_policy_drops_is_in_the_trash),
        cmocka_unit_test(only_guests_that_are_named_are_pruned),
        cmocka_unit_test(a_guest_without_a_new_good_point_loses_nothing),
        cmocka_unit_test(a_point_of_the_future_is_not_a_new_one),
        cmocka_unit_test(a_guest_that_would_lose_most_is_refused),
        cmocka_unit_test(a_point_of_a_newer_version_keeps_its_guest),
        cmocka_unit_test(scopes_are_pruned_one_after_the_other),
    };

    return cmocka_run_group_tests_name("ops keep prune", tests, NULL, NULL);
}
