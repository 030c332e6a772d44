/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "repository/keep/retention.h"
#include "../chance.h"
#include "times.h"

#define RANDOM_POINTS 80

struct random_guest {
    struct retention_point points[RANDOM_POINTS];
    struct retention_verdict verdicts[RANDOM_POINTS];
    size_t count;
    int64_t now_ms;
};

static void make_guest(uint64_t *chance, struct random_guest *guest)
{
    int64_t span_ms = (int64_t)(1 + chance_below(chance, 900)) * DAY_MS;

    guest->now_ms = at("2026-11-20 01:00:00");
    guest->count = 1 + chance_below(chance, RANDOM_POINTS);
    for (size_t i = 0; i < guest->count; i++) {
        /* In whole seconds, so that some are of the same. */
        int64_t age_ms = (int64_t)chance_below(chance, (uint64_t)span_ms / 1000) * 1000;
        if (i > 0 && chance_below(chance, 10) == 0)
            guest->points[i] = point_at(guest->points[i - 1].taken_at_ms, (uint8_t)i);
        else
            guest->points[i] = point_at(guest->now_ms - age_ms, (uint8_t)i);
        guest->points[i].derived = chance_below(chance, 8) == 0;
        if (guest->points[i].derived)
            guest->points[i].taken_at_ms -= (int64_t)chance_below(chance, 100) * HOUR_MS;
        guest->points[i].held = chance_below(chance, 16) == 0;
        guest->points[i].partial = chance_below(chance, 16) == 0;
    }
}

static struct retention_policy make_policy(uint64_t *chance)
{
    struct retention_policy policy = {.force = true};

    for (int i = 0; i < RETENTION_PERIODIC; i++)
        policy.keep[i] = chance_below(chance, 2) ? (uint32_t)chance_below(chance, 8) : 0;
    policy.within_ms = chance_below(chance, 4) == 0 ? 20 * DAY_MS : 0;
    policy.keep[chance_below(chance, RETENTION_PERIODIC)] += 1;
    return policy;
}

static void decide_on(struct random_guest *guest, const struct retention_policy *policy)
{
    struct retention_points all = {.points = guest->points, .count = guest->count};

    assert_int_equal(retention_decide(&all, policy, guest->now_ms, guest->verdicts, NULL), 0);
}

/* The rule for one option alone, by counting: a point is kept if nothing of its day is newer, and if
 * fewer than N days are. Days of UTC are a division. */
static bool naive_daily(const struct random_guest *guest, size_t me, uint32_t keep)
{
    const struct retention_point *point = &guest->points[me];
    bool day_seen[1200] = {false};
    uint32_t newer_days = 0;

    for (size_t i = 0; i < guest->count; i++) {
        const struct retention_point *other = &guest->points[i];
        if (other->partial || other->held || i == me)
            continue;
        int64_t ahead = other->taken_at_ms / DAY_MS - point->taken_at_ms / DAY_MS;
        if (ahead == 0 &&
            (other->taken_at_ms > point->taken_at_ms ||
             (other->taken_at_ms == point->taken_at_ms && id_compare(&other->id, &point->id) > 0)))
            return false;
        if (ahead > 0 && !day_seen[ahead]) {
            day_seen[ahead] = true;
            newer_days++;
        }
    }
    return newer_days < keep;
}

static void keep_daily_is_what_its_definition_says(void **state)
{
    uint64_t chance = chance_seed();
    struct random_guest guest;

    (void)state;
    set_zone("UTC");
    for (int round = 0; round < 3000; round++) {
        struct retention_policy policy = {.force = true};
        make_guest(&chance, &guest);
        policy.keep[RETENTION_DAILY] = (uint32_t)(1 + chance_below(&chance, 40));
        decide_on(&guest, &policy);
        for (size_t i = 0; i < guest.count; i++) {
            if (guest.points[i].partial || guest.points[i].held)
                continue;
            assert_int_equal(guest.verdicts[i].reason == RETENTION_BY_OPTION,
                             naive_daily(&guest, i, policy.keep[RETENTION_DAILY]));
        }
    }
}

/* More of the last option that is given keeps what fewer kept. (More of an earlier one may move what
 * a later one keeps: its week takes the place of a month's end.) */
static void more_keeps_more(void **state)
{
    uint64_t chance = chance_seed();
    struct random_guest few, more;

    (void)state;
    set_zone("Europe/Berlin");
    for (int round = 0; round < 3000; round++) {
        struct retention_policy policy = make_policy(&chance);
        make_guest(&chance, &few);
        more = few;
        decide_on(&few, &policy);
        size_t last = RETENTION_PERIODIC - 1;
        while (policy.keep[last] == 0)
            last--;
        policy.keep[last] += (uint32_t)(1 + chance_below(&chance, 5));
        decide_on(&more, &policy);
        for (size_t i = 0; i < few.count; i++)
            if (retention_keeps(&few.verdicts[i]))
                assert_true(retention_keeps(&more.verdicts[i]));
    }
}

/* What was kept is kept again, by the same option: nights of pruning do not eat a guest up. */
static void pruning_again_drops_nothing(void **state)
{
    uint64_t chance = chance_seed();
    struct random_guest once, again;

    (void)state;
    set_zone("America/New_York");
    for (int round = 0; round < 3000; round++) {
        struct retention_policy policy = make_policy(&chance);
        make_guest(&chance, &once);
        decide_on(&once, &policy);
        again = (struct random_guest){.now_ms = once.now_ms};
        for (size_t i = once.count; i-- > 0;) /* turned around: the order does not matter */
            if (retention_keeps(&once.verdicts[i]))
                again.points[again.count++] = once.points[i];
        decide_on(&again, &policy);
        size_t next = 0;
        for (size_t i = once.count; i-- > 0;) {
            if (!retention_keeps(&once.verdicts[i]))
                continue;
            assert_int_equal(again.verdicts[next].reason, once.verdicts[i].reason);
            assert_int_equal(again.verdicts[next].option, once.verdicts[i].option);
            next++;
        }
    }
}

static void no_policy_drops_what_must_stay(void **state)
{
    uint64_t chance = chance_seed();
    struct random_guest guest;

    (void)state;
    set_zone("UTC");
    for (int round = 0; round < 3000; round++) {
        struct retention_policy policy = make_policy(&chance);
        const struct retention_point *newest = NULL;
        make_guest(&chance, &guest);
        decide_on(&guest, &policy);
        for (size_t i = 0; i < guest.count; i++) {
            const struct retention_point *point = &guest.points[i];
            if (!point->partial && (!newest || id_compare(&point->id, &newest->id) > 0))
                newest = point;
            if (point->held || point->taken_at_ms > guest.now_ms - HOUR_MS)
                assert_true(retention_keeps(&guest.verdicts[i]));
        }
        if (newest)
            assert_true(retention_keeps(&guest.verdicts[newest - guest.points]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keep_daily_is_what_its_definition_says),
        cmocka_unit_test(more_keeps_more),
        cmocka_unit_test(pruning_again_drops_nothing),
        cmocka_unit_test(no_policy_drops_what_must_stay),
    };

    return cmocka_run_group_tests_name("repository retention, at random", tests, NULL, NULL);
}
