/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../base/unit.h"

#include <string.h>

#include "base/units.h"
#include "ops/keep/keep.h"
#include "ops/keep/simulate.h"

static void make_backups(struct simulate_store *store, size_t count)
{
    for (size_t i = 0; i < count; i++)
        simulate_backup(store);
}

static uint64_t stored_with(const struct simulate_store *store, size_t only)
{
    return simulate_stored(store, &only, 1);
}

static void what_no_kept_point_uses_is_not_counted(void **state)
{
    struct simulate_store store CLEANUP_SIMULATE = {.full = 1000 * MIB, .change = 0.01};
    const size_t week[] = {24, 25, 26, 27, 28, 29, 30};

    (void)state;
    make_backups(&store, 31);
    assert_int_equal((uint64_t)(store.written / MIB + 0.5), 1300);
    /* The first needs itself, the tenth what the ten have stored; of everything something is used. */
    assert_int_equal(stored_with(&store, 0) / MIB, 1000);
    assert_int_equal((stored_with(&store, 9) + MIB / 2) / MIB, 1090);
    assert_int_equal((simulate_stored(&store, week, 7) + MIB / 2) / MIB, 1300);
    assert_int_equal(simulate_stored(&store, NULL, 0), 0);
}

static void old_packs_are_refreshed_and_go(void **state)
{
    struct simulate_store store CLEANUP_SIMULATE = {.full = 1000 * MIB, .change = 0.05};

    (void)state;
    make_backups(&store, 1000);
    /* Without a refresh it would be all that was written: 1000 and 999 times 50 MiB. With it
     * the oldest packs go when a quarter of them is used: as much as has changed is given back then. */
    uint64_t stored = stored_with(&store, 999) / MIB;
    assert_in_range(stored, 1000, 2000);
    /* What each session has refreshed is at most 16 MiB, and was written. */
    assert_in_range((uint64_t)(store.written / MIB), 1000 + 999 * 50 + 1, 1000 + 999 * 66);
    /* Whatever was refreshed since, the packs of an old point that is kept are there. */
    assert_true(stored_with(&store, 0) / MIB == 1000);
}

static void the_newest_point_uses_a_whole_disk(void **state)
{
    struct simulate_store store CLEANUP_SIMULATE = {.full = 1000 * MIB, .change = 0.03};

    (void)state;
    for (size_t i = 0; i < 300; i++) {
        double used = 0;
        simulate_backup(&store);
        for (size_t k = 0; k < store.count; k++)
            if (store.lumps[k].users_to == SIZE_MAX)
                used += store.lumps[k].used;
        assert_int_equal((uint64_t)(used / MIB + 0.5), 1000);
    }
}

/* ---- the whole of it -------------------------------------------------------------------------- */

struct told {
    size_t points[RETENTION_OPTIONS]; /* kept by each option */
    size_t others;
    struct event_simulated simulated;
    char last[32];
};

static void note_event(void *opaque, const struct event *event)
{
    struct told *told = opaque;

    if (event->kind == EVENT_SIMULATED) {
        told->simulated = event->simulated;
        return;
    }
    assert_int_equal(event->kind, EVENT_PRUNE_VERDICT);
    assert_true(event->verdict.keeps);
    assert_null(event->guest);
    assert_null(event->verdict.point.id);
    assert_true(strcmp(told->last, event->verdict.point.time) < 0);
    snprintf(told->last, sizeof(told->last), "%s", event->verdict.point.time);
    for (enum retention_option i = 0; i < RETENTION_OPTIONS; i++)
        if (event->verdict.option && strcmp(event->verdict.option, retention_option_name(i)) == 0) {
            told->points[i]++;
            return;
        }
    told->others++;
}

static int simulate(struct prune_simulation *simulation, const char *schedule, struct told *told,
                    struct err *err)
{
    const struct report report = {.opaque = told, .event = note_event};

    *told = (struct told){0};
    assert_int_equal(schedule_parse(schedule, &simulation->schedule, NULL), 0);
    return keep_simulate(simulation, &report, err);
}

static void a_policy_shows_what_it_would_keep(void **state)
{
    struct prune_simulation simulation = {
        .for_ms = 730 * DAY_MS,
        .stored = GIB,
        .change_per_10k = 100,
        .policy.keep = {[RETENTION_DAILY] = 7, [RETENTION_WEEKLY] = 4, [RETENTION_MONTHLY] = 12},
    };
    struct told told;

    (void)state;
    assert_int_equal(simulate(&simulation, "daily 22:00", &told, NULL), 0);
    assert_int_equal(told.simulated.backups, 730);
    assert_int_equal(told.points[RETENTION_DAILY], 7);
    assert_int_equal(told.points[RETENTION_WEEKLY], 4);
    assert_int_equal(told.points[RETENTION_MONTHLY], 12);
    assert_int_equal(told.others, 0);
    assert_int_equal(told.simulated.kept, 23);
    assert_in_range(told.simulated.most, 23, 25);
    assert_true(told.simulated.sized);
    assert_in_range(told.simulated.stored, GIB, told.simulated.written);
    assert_in_range(told.simulated.written, GIB + 729 * (GIB / 100), 16 * GIB);
}

static void of_hourly_backups_the_young_stay_too(void **state)
{
    struct prune_simulation simulation = {.for_ms = 3 * DAY_MS,
                                          .policy.keep = {[RETENTION_LAST] = 1}};
    struct told told;

    (void)state;
    assert_int_equal(simulate(&simulation, "hourly", &told, NULL), 0);
    assert_int_equal(told.simulated.backups, 72);
    assert_int_equal(told.simulated.kept, 1);
    assert_false(told.simulated.sized);
}

static void what_cannot_be_simulated_is_refused(void **state)
{
    struct prune_simulation simulation = {.for_ms = 3 * DAY_MS};
    struct told told;
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    assert_fails(simulate(&simulation, "hourly", &told, &err), &err, ERR_USAGE); /* no option */
    simulation.policy.keep[RETENTION_LAST] = 1;
    simulation.for_ms = 1000;
    assert_fails(simulate(&simulation, "weekly sun 22:00", &told, &err), &err, ERR_USAGE);
    assert_string_equal(err.text, "no backup would be made in that time");
    simulation.for_ms = 1000 * DAY_MS;
    assert_fails(simulate(&simulation, "hourly", &told, &err), &err, ERR_USAGE);
    assert_string_equal(err.text, "more than 20000 backups would be made; simulate a shorter time");
    simulation.time_zone = "Europe/Nowhere";
    assert_fails(simulate(&simulation, "hourly", &told, &err), &err, ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_no_kept_point_uses_is_not_counted),
        cmocka_unit_test(old_packs_are_refreshed_and_go),
        cmocka_unit_test(the_newest_point_uses_a_whole_disk),
        cmocka_unit_test(a_policy_shows_what_it_would_keep),
        cmocka_unit_test(of_hourly_backups_the_young_stay_too),
        cmocka_unit_test(what_cannot_be_simulated_is_refused),
    };

    setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests_name("ops keep simulate", tests, NULL, NULL);
}
