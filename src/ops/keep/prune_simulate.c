/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/keep/keep.h"

#include <time.h>

#include "base/cleanup.h"
#include "ops/keep/simulate.h"
#include "ops/keep/prune_tell.h"
#include "repository/keep/period.h"

/* Those that have not been pruned yet, from the oldest to the newest. */
struct simulated_points {
    struct retention_point *points;     /* owned */
    struct retention_verdict *verdicts; /* owned */
    size_t *sessions;                   /* owned */
    size_t count;
    size_t most;
};

static void simulated_points_clear(struct simulated_points *all)
{
    free(all->points);
    free(all->verdicts);
    free(all->sessions);
}

static int simulated_points_add(struct simulated_points *all, int64_t time_ms, size_t session,
                                struct err *err)
{
    struct retention_point point = {.taken_at_ms = time_ms};

    if (id_of_time(time_ms, &point.id, err) < 0)
        return -1;
    all->points = mem_resize(all->points, all->count + 1, sizeof(*all->points));
    all->verdicts = mem_resize(all->verdicts, all->count + 1, sizeof(*all->verdicts));
    all->sessions = mem_resize(all->sessions, all->count + 1, sizeof(*all->sessions));
    all->points[all->count] = point;
    all->sessions[all->count++] = session;
    return 0;
}

static int simulated_points_prune(struct simulated_points *all,
                                  const struct retention_policy *policy, int64_t now_ms,
                                  struct err *err)
{
    const struct retention_points guest = {all->points, all->count};
    size_t kept = 0;

    if (retention_decide(&guest, policy, now_ms, all->verdicts, err) < 0)
        return -1;
    for (size_t i = 0; i < all->count; i++) {
        if (!retention_keeps(&all->verdicts[i]))
            continue;
        all->points[kept] = all->points[i];
        all->verdicts[kept] = all->verdicts[i];
        all->sessions[kept++] = all->sessions[i];
    }
    all->count = kept;
    if (kept > all->most)
        all->most = kept;
    return 0;
}

static void tell_simulated(const struct simulated_points *all,
                           const struct prune_simulation *simulation,
                           const struct simulate_store *store, const struct report *report)
{
    for (size_t i = 0; i < all->count; i++)
        prune_tell(report, NULL, &all->points[i], &all->verdicts[i]);
    report_event(
        report,
        &(struct event){.kind = EVENT_SIMULATED,
                        .simulated = {.backups = store->sessions,
                                      .kept = all->count,
                                      .most = all->most,
                                      .sized = simulation->stored > 0,
                                      .stored = simulate_stored(store, all->sessions, all->count),
                                      .written = (uint64_t)store->written}});
}

int keep_simulate(const struct prune_simulation *simulation, const struct report *report,
                  struct err *err)
{
    struct simulated_points all CLEANUP(simulated_points_clear) = {0};
    struct simulate_store store CLEANUP_SIMULATE = {.full = (double)simulation->stored,
                                                    .change = simulation->change_per_10k / 1e4};
    struct retention_policy policy = simulation->policy;
    int64_t begin_ms = (int64_t)time(NULL) * 1000;

    if (simulation->time_zone && period_use_zone(simulation->time_zone, err) < 0)
        return -1;
    /* Refusals are for people who look at what is there. */
    policy.force = true;
    for (int64_t now_ms = schedule_next(&simulation->schedule, begin_ms);
         now_ms <= begin_ms + (int64_t)simulation->for_ms;
         now_ms = schedule_next(&simulation->schedule, now_ms)) {
        if (store.sessions == PRUNE_SIMULATED_MAX)
            return err_set(err, ERR_USAGE,
                           "more than %u backups would be made; simulate a shorter time",
                           PRUNE_SIMULATED_MAX);
        if (simulated_points_add(&all, now_ms, store.sessions, err) < 0)
            return -1;
        simulate_backup(&store);
        if (simulated_points_prune(&all, &policy, now_ms, err) < 0)
            return -1;
    }
    if (store.sessions == 0)
        return err_set(err, ERR_USAGE, "no backup would be made in that time");
    tell_simulated(&all, simulation, &store, report);
    return 0;
}
