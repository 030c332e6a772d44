/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/keep/retention.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "record/latest.h"

#define YOUNG_MS HOUR_MS
#define FUTURE_MS DAY_MS
#define ABANDONED_MS (30 * DAY_MS)

static const struct {
    const char *name;
    enum period_kind period; /* of those that count periods of time */
} retention_options[RETENTION_OPTIONS] = {
    [RETENTION_LAST] = {"keep-last", PERIOD_HOUR},
    [RETENTION_HOURLY] = {"keep-hourly", PERIOD_HOUR},
    [RETENTION_DAILY] = {"keep-daily", PERIOD_DAY},
    [RETENTION_WEEKLY] = {"keep-weekly", PERIOD_WEEK},
    [RETENTION_MONTHLY] = {"keep-monthly", PERIOD_MONTH},
    [RETENTION_YEARLY] = {"keep-yearly", PERIOD_YEAR},
    [RETENTION_WITHIN] = {"keep-within", PERIOD_HOUR},
    [RETENTION_TAG] = {"keep-tag", PERIOD_HOUR},
};

enum candidate_state { CANDIDATE_OPEN, CANDIDATE_KEPT, CANDIDATE_PASSED };

/* A complete point that is not held. */
struct candidate {
    const struct retention_point *point;
    struct retention_verdict *verdict;
    enum candidate_state state;
    char period[PERIOD_TEXT_SIZE]; /* for the option at work */
};

struct candidates {
    struct candidate *items; /* from the newest to the oldest */
    size_t count;
};

const char *retention_option_name(enum retention_option option)
{
    return retention_options[option].name;
}

bool retention_keeps(const struct retention_verdict *verdict)
{
    return verdict->reason < RETENTION_DROPPED;
}

static int compare_taken(const struct retention_point *a, const struct retention_point *b)
{
    if (a->taken_at_ms != b->taken_at_ms)
        return a->taken_at_ms < b->taken_at_ms ? -1 : 1;
    return id_compare(&a->id, &b->id);
}

/* A copy of an old point is as old as its data for the policy, but nobody has seen it for long; nor
 * has anybody what was backed up while the clock was behind. A session far ahead tells no time: it
 * had to be above one of a wrong clock. Of these, a backup just made is young by its data, which is
 * of now or, if the clock was set back since, of the future; the last of copies stays as the newest. */
static int64_t made_ms(const struct retention_point *point, int64_t now_ms)
{
    int64_t session_ms = id_time_ms(&point->id);

    return session_ms > point->taken_at_ms && session_ms <= now_ms + FUTURE_MS ? session_ms
                                                                               : point->taken_at_ms;
}

static int compare_candidates(const void *a, const void *b)
{
    return compare_taken(((const struct candidate *)b)->point,
                         ((const struct candidate *)a)->point);
}

static void keep_by_option(struct candidate *candidate, enum retention_option option)
{
    candidate->state = CANDIDATE_KEPT;
    candidate->verdict->reason = RETENTION_BY_OPTION;
    candidate->verdict->option = option;
    memcpy(candidate->verdict->period, candidate->period, PERIOD_TEXT_SIZE);
}

static bool has_period(const char *const *periods, size_t count, const char *period)
{
    /* The one looked for is mostly among the last. */
    for (size_t i = count; i-- > 0;)
        if (strcmp(periods[i], period) == 0)
            return true;
    return false;
}

static void keep_by_period(struct candidates *all, enum retention_option option, uint32_t keep)
{
    /* Those with a point that an earlier option keeps, and those that this one has kept one of. */
    CLEANUP_FREE const char **covered = mem_array(all->count, sizeof(*covered));
    CLEANUP_FREE const char **filled = mem_array(all->count, sizeof(*filled));
    size_t n_covered = 0, n_filled = 0;

    for (size_t i = 0; i < all->count; i++) {
        struct candidate *candidate = &all->items[i];
        period_name(retention_options[option].period, candidate->point->taken_at_ms,
                    candidate->period);
        if (candidate->state == CANDIDATE_KEPT &&
            !has_period(covered, n_covered, candidate->period))
            covered[n_covered++] = candidate->period;
    }
    for (size_t i = 0; i < all->count; i++) {
        struct candidate *candidate = &all->items[i];
        if (candidate->state != CANDIDATE_OPEN || has_period(covered, n_covered, candidate->period))
            continue;
        if (has_period(filled, n_filled, candidate->period)) {
            candidate->state = CANDIDATE_PASSED;
            continue;
        }
        if (n_filled == keep)
            break;
        filled[n_filled++] = candidate->period;
        keep_by_option(candidate, option);
    }
}

static void keep_last(struct candidates *all, uint32_t keep)
{
    for (size_t i = 0; i < all->count && i < keep; i++)
        keep_by_option(&all->items[i], RETENTION_LAST);
}

static bool tags_meet(const struct retention_tags *a, const struct retention_tags *b)
{
    for (size_t i = 0; i < a->count; i++)
        for (size_t k = 0; k < b->count; k++)
            if (strcmp(a->texts[i], b->texts[k]) == 0)
                return true;
    return false;
}

static void keep_by_policy(struct candidates *all, const struct retention_policy *policy,
                           int64_t within_until_ms)
{
    keep_last(all, policy->keep[RETENTION_LAST]);
    for (enum retention_option i = RETENTION_LAST + 1; i < RETENTION_PERIODIC; i++)
        if (policy->keep[i] > 0)
            keep_by_period(all, i, policy->keep[i]);
    for (size_t i = 0; i < all->count; i++) {
        struct candidate *candidate = &all->items[i];
        if (candidate->state == CANDIDATE_KEPT)
            continue;
        candidate->period[0] = '\0';
        if (policy->within_ms > 0 &&
            candidate->point->taken_at_ms >= within_until_ms - policy->within_ms)
            keep_by_option(candidate, RETENTION_WITHIN);
        else if (tags_meet(&candidate->point->tags, &policy->tags))
            keep_by_option(candidate, RETENTION_TAG);
    }
}

/* Points of a guest that stand out; NULL: it has none. */
struct landmarks {
    const struct retention_point *newest; /* complete, of the last session */
    const struct retention_point *own;    /* the same, not derived */
    const struct retention_point *latest;
    int64_t newest_taken_ms; /* of the complete ones */
};

static int compare_sessions(const void *a, const void *b)
{
    const struct retention_point *const *first = a, *const *second = b;

    return id_compare(&(*second)->id, &(*first)->id);
}

static struct landmarks find_landmarks(const struct retention_points *guest)
{
    CLEANUP_FREE const struct retention_point **points = mem_array(guest->count, sizeof(*points));
    struct landmarks marks = {.newest_taken_ms = INT64_MIN};
    struct latest latest = {.until_ms = INT64_MAX};
    size_t count = 0;

    for (size_t i = 0; i < guest->count; i++)
        if (!guest->points[i].partial)
            points[count++] = &guest->points[i];
    if (count > 1)
        qsort(points, count, sizeof(*points), compare_sessions);
    for (size_t i = 0; i < count; i++) {
        const struct retention_point *point = points[i];
        if (!point->derived && !marks.own)
            marks.own = point;
        if (latest_take(&latest, point->derived, point->taken_at_ms))
            marks.latest = point;
        if (point->taken_at_ms > marks.newest_taken_ms)
            marks.newest_taken_ms = point->taken_at_ms;
    }
    marks.newest = count > 0 ? points[0] : NULL;
    return marks;
}

/* What keeps a point whatever the policy says; RETENTION_DROPPED if nothing does. */
static enum retention_reason reason_to_keep(const struct retention_point *point,
                                            const struct landmarks *marks, int64_t now_ms)
{
    if (point->held)
        return RETENTION_HELD;
    if (point == marks->newest)
        return RETENTION_NEWEST;
    if (point == marks->latest)
        return RETENTION_LATEST;
    return made_ms(point, now_ms) > now_ms - YOUNG_MS ? RETENTION_YOUNG : RETENTION_DROPPED;
}

static enum retention_reason judge_partial(const struct retention_point *point,
                                           const struct landmarks *marks, int64_t now_ms)
{
    enum retention_reason reason = reason_to_keep(point, marks, now_ms);

    if (reason != RETENTION_DROPPED)
        return reason;
    /* A copy or a repair of an old point does not end the backup that a partial one belongs to. */
    if (marks->own && id_compare(&marks->own->id, &point->id) > 0)
        return RETENTION_COMPLETED;
    return made_ms(point, now_ms) < now_ms - ABANDONED_MS ? RETENTION_ABANDONED
                                                          : RETENTION_IN_PROGRESS;
}

static bool has_option(const struct retention_policy *policy)
{
    bool found = policy->within_ms > 0 || policy->tags.count > 0;

    for (size_t i = 0; i < RETENTION_PERIODIC; i++)
        found = found || policy->keep[i] > 0;
    return found;
}

static int refuse_future(const struct retention_points *guest, int64_t now_ms, struct err *err)
{
    char id[ID_TEXT_SIZE], day[PERIOD_TEXT_SIZE];

    for (size_t i = 0; i < guest->count; i++) {
        const struct retention_point *point = &guest->points[i];
        if (point->taken_at_ms > now_ms + FUTURE_MS)
            return err_set(err, ERR_EXISTS,
                           "point %s is of %s, which is in the future; if the clock is right now, "
                           "remove that point, or use --force",
                           id_text(&point->id, id),
                           period_name(PERIOD_DAY, point->taken_at_ms, day));
    }
    return 0;
}

static int refuse_many(const struct retention_points *guest,
                       const struct retention_verdict *verdicts, struct err *err)
{
    size_t complete = 0, dropped = 0;

    for (size_t i = 0; i < guest->count; i++) {
        complete += !guest->points[i].partial;
        dropped += !guest->points[i].partial && !retention_keeps(&verdicts[i]);
    }
    if (dropped > complete / 2)
        return err_set(
            err, ERR_EXISTS,
            "%zu of %zu points would be dropped, more than half; to drop them, use --force",
            dropped, complete);
    return 0;
}

int retention_decide(const struct retention_points *guest, const struct retention_policy *policy,
                     int64_t now_ms, struct retention_verdict *verdicts, struct err *err)
{
    CLEANUP_FREE struct candidate *items = mem_array(guest->count, sizeof(*items));
    struct candidates all = {.items = items};
    struct landmarks marks = find_landmarks(guest);

    if (!has_option(policy))
        return err_set(err, ERR_USAGE, "no option says what to keep; give at least one --keep-...");
    if (!policy->force && refuse_future(guest, now_ms, err) < 0)
        return -1;
    for (size_t i = 0; i < guest->count; i++) {
        const struct retention_point *point = &guest->points[i];
        verdicts[i] = (struct retention_verdict){.reason = RETENTION_DROPPED};
        if (point->partial)
            verdicts[i].reason = judge_partial(point, &marks, now_ms);
        else if (point->held)
            verdicts[i].reason = RETENTION_HELD;
        else
            items[all.count++] = (struct candidate){.point = point, .verdict = &verdicts[i]};
    }
    if (all.count > 1)
        qsort(items, all.count, sizeof(*items), compare_candidates);
    keep_by_policy(&all, policy, marks.newest_taken_ms < now_ms ? marks.newest_taken_ms : now_ms);
    for (size_t i = 0; i < all.count; i++)
        if (items[i].state != CANDIDATE_KEPT)
            items[i].verdict->reason = reason_to_keep(items[i].point, &marks, now_ms);
    return policy->force ? 0 : refuse_many(guest, verdicts, err);
}
