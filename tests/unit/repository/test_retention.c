/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "repository/keep/retention.h"
#include "times.h"

#define MAX_ROWS 12

static const char *const reasons[] = {
    [RETENTION_HELD] = "held",           [RETENTION_NEWEST] = "newest",
    [RETENTION_LATEST] = "latest",       [RETENTION_YOUNG] = "young",
    [RETENTION_IN_PROGRESS] = "running", [RETENTION_DROPPED] = "-",
    [RETENTION_COMPLETED] = "completed", [RETENTION_ABANDONED] = "abandoned",
};

/* "daily 2026-10-25", "held", "-" */
static void verdict_text(const struct retention_verdict *verdict, char text[static 64])
{
    if (verdict->reason == RETENTION_BY_OPTION)
        snprintf(text, 64, "%s%s%s", retention_option_name(verdict->option) + strlen("keep-"),
                 *verdict->period ? " " : "", verdict->period);
    else
        snprintf(text, 64, "%s", reasons[verdict->reason]);
}

struct row {
    const char *time;
    const char *verdict;
    const char *traits;  /* p: partial, d: derived, h: held, t: has the tag "keep"; digit: serial */
    const char *session; /* NULL: began when the data was taken */
};

struct table {
    const char *name, *zone, *now;
    struct retention_policy policy;
    struct row rows[MAX_ROWS];
};

static const char *const one_tag[] = {"keep"};
static const char *const two_tags[] = {"monthly", "keep"};

/* Written from what PBS and restic say about their options. Now is long after, where it does not
 * matter. */
static const struct table tables[] = {
    {"the last ones, in the order of time",
     "UTC",
     "2026-12-01 00:00:00",
     {.keep = {[RETENTION_LAST] = 2}},
     {{"2026-10-03 01:00:00", "last", NULL, NULL},
      {"2026-10-01 01:00:00", "-", NULL, NULL},
      {"2026-10-02 01:00:00", "last", NULL, NULL}}},
    {"points of the same second are in the order of their sessions",
     "UTC",
     "2026-12-01 00:00:00",
     {.keep = {[RETENTION_DAILY] = 1}},
     {{"2026-10-03 01:00:00", "-", "1", NULL},
      {"2026-10-03 01:00:00", "daily 2026-10-03", "3", NULL},
      {"2026-10-03 01:00:00", "-", "2", NULL}}},
    {"days without points do not count",
     "UTC",
     "2026-12-01 00:00:00",
     {.keep = {[RETENTION_DAILY] = 3}},
     {{"2026-10-20 23:00:00", "daily 2026-10-20", NULL, NULL},
      {"2026-10-20 01:00:00", "-", NULL, NULL},
      {"2026-10-11 01:00:00", "daily 2026-10-11", NULL, NULL},
      {"2026-08-01 02:00:00", "daily 2026-08-01", NULL, NULL},
      {"2026-08-01 01:00:00", "-", NULL, NULL},
      {"2026-07-31 01:00:00", "-", NULL, NULL}}},
    {"an option passes over what an earlier one covers",
     "UTC",
     "2026-12-01 00:00:00",
     {.keep = {[RETENTION_LAST] = 2, [RETENTION_DAILY] = 2, [RETENTION_WEEKLY] = 1}},
     {{"2026-10-22 03:00:00", "last", NULL, NULL},
      {"2026-10-22 02:00:00", "last", NULL, NULL},
      {"2026-10-22 01:00:00", "-", NULL, NULL},
      {"2026-10-21 02:00:00", "daily 2026-10-21", NULL, NULL},
      {"2026-10-21 01:00:00", "-", NULL, NULL},
      {"2026-10-20 01:00:00", "daily 2026-10-20", NULL, NULL},
      {"2026-10-19 01:00:00", "-", NULL, NULL},
      {"2026-10-18 01:00:00", "weekly 2026-W42", NULL, NULL},
      {"2026-10-11 01:00:00", "-", NULL, NULL}}},
    {"what an option has passed over is not taken up by a later one",
     "UTC",
     "2026-12-01 00:00:00",
     {.keep = {[RETENTION_WEEKLY] = 1, [RETENTION_MONTHLY] = 1}},
     {{"2026-04-05 01:00:00", "weekly 2026-W14", NULL, NULL},
      {"2026-03-31 01:00:00", "-", NULL, NULL},
      {"2026-03-29 01:00:00", "monthly 2026-03", NULL, NULL}}},
    {"both hours that are called 02",
     "Europe/Berlin",
     "2026-12-01 00:00:00",
     {.keep = {[RETENTION_HOURLY] = 3}},
     {{"2026-10-25 01:59:00", "hourly 2026-10-25 02 +0100", NULL, NULL},
      {"2026-10-25 01:01:00", "-", NULL, NULL},
      {"2026-10-25 00:59:00", "hourly 2026-10-25 02 +0200", NULL, NULL},
      {"2026-10-25 00:01:00", "-", NULL, NULL},
      {"2026-10-24 23:30:00", "hourly 2026-10-25 01 +0200", NULL, NULL},
      {"2026-10-24 22:30:00", "-", NULL, NULL}}},
    {"a day of 25 hours is one day",
     "Europe/Berlin",
     "2026-12-01 00:00:00",
     {.keep = {[RETENTION_DAILY] = 2}},
     {{"2026-10-25 22:59:00", "daily 2026-10-25", NULL, NULL},
      {"2026-10-24 22:00:00", "-", NULL, NULL},
      {"2026-10-24 21:59:00", "daily 2026-10-24", NULL, NULL}}},
    {"a day that comes again after a minute of the next is one day",
     "America/St_Johns",
     "2026-12-01 00:00:00",
     {.keep = {[RETENTION_DAILY] = 3}},
     {{"2010-11-07 02:40:00", "daily 2010-11-06", NULL, NULL},
      {"2010-11-07 02:30:10", "daily 2010-11-07", NULL, NULL},
      {"2010-11-07 02:00:00", "-", NULL, NULL},
      {"2010-11-06 02:00:00", "daily 2010-11-05", NULL, NULL}}},
    {"a week of two years",
     "UTC",
     "2027-12-01 00:00:00",
     {.keep = {[RETENTION_WEEKLY] = 2, [RETENTION_YEARLY] = 2}},
     {{"2027-01-04 00:00:00", "weekly 2027-W01", NULL, NULL},
      {"2027-01-03 23:00:00", "weekly 2026-W53", NULL, NULL},
      {"2026-12-28 00:00:00", "-", NULL, NULL},
      {"2026-12-27 23:00:00", "yearly 2026", NULL, NULL},
      {"2025-12-31 23:00:00", "yearly 2025", NULL, NULL}}},
    {"the leap day is of February",
     "UTC",
     "2028-12-01 00:00:00",
     {.keep = {[RETENTION_MONTHLY] = 2}},
     {{"2028-03-01 00:00:00", "monthly 2028-03", NULL, NULL},
      {"2028-02-29 23:59:59", "monthly 2028-02", NULL, NULL},
      {"2028-02-28 01:00:00", "-", NULL, NULL}}},
    {"a time before the newest point, then tags",
     "UTC",
     "2026-12-01 00:00:00",
     {.keep = {[RETENTION_LAST] = 1},
      .within_ms = 10 * DAY_MS,
      .tags = {.texts = one_tag, .count = 1}},
     {{"2026-10-20 01:00:00", "last", "t", NULL},
      {"2026-10-10 01:00:00", "within", "t", NULL},
      {"2026-10-10 00:59:59", "tag", "t", NULL},
      {"2026-10-09 00:59:59", "-", NULL, NULL}}},
    {"held points fill no period, nor do partial ones",
     "UTC",
     "2026-12-01 00:00:00",
     {.keep = {[RETENTION_DAILY] = 1}},
     {{"2026-10-20 04:00:00", "abandoned", "p", NULL},
      {"2026-10-20 03:00:00", "held", "h", NULL},
      {"2026-10-20 02:00:00", "daily 2026-10-20", NULL, NULL},
      {"2026-10-20 01:00:00", "completed", "p", NULL},
      {"2026-10-19 01:00:00", "-", NULL, NULL},
      {"2026-10-18 01:00:00", "held", "ph", NULL}}},
    {"partial points go when a backup has completed, a copy is none",
     "UTC",
     "2026-10-25 01:00:00",
     {.keep = {[RETENTION_LAST] = 1}},
     {{"2026-10-24 01:00:00", "running", "p", NULL},
      {"2026-09-23 01:00:00", "newest", "d", "2026-10-24 02:00:00"},
      {"2026-09-24 02:00:00", "abandoned", "p", NULL},
      {"2026-09-24 01:00:00", "last", NULL, NULL},
      {"2026-09-23 23:00:00", "completed", "p", NULL}}},
    {"a partial point is abandoned after 30 days, and not before",
     "UTC",
     "2026-10-31 01:00:00",
     {.keep = {[RETENTION_LAST] = 1}},
     {{"2026-10-01 01:00:00", "running", "p", NULL},
      {"2026-10-01 00:59:59", "abandoned", "p", NULL}}},
    {"the newest session and the latest data stay",
     "UTC",
     "2026-12-01 00:00:00",
     {.tags = {.texts = one_tag, .count = 1}},
     {{"2026-10-01 01:00:00", "newest", "d", "2026-10-10 01:00:00"},
      {"2026-10-05 01:00:00", "latest", NULL, NULL},
      {"2026-10-04 01:00:00", "tag", "t", NULL},
      {"2026-10-03 01:00:00", "-", NULL, NULL}}},
    {"data that was taken later elsewhere is the latest",
     "UTC",
     "2026-12-01 00:00:00",
     {.tags = {.texts = one_tag, .count = 1}},
     {{"2026-10-07 01:00:00", "latest", "d", "2026-10-10 01:00:00"},
      {"2026-10-06 01:00:00", "newest", "d", "2026-10-11 01:00:00"},
      {"2026-10-05 01:00:00", "tag", "t", NULL},
      {"2026-10-04 01:00:00", "tag", "t", NULL}}},
    {"the newest of one's own is the latest, whatever its time",
     "UTC",
     "2026-12-01 00:00:00",
     {.keep = {[RETENTION_LAST] = 1}},
     {{"2026-10-08 01:00:00", "last", NULL, "2026-10-08 01:00:00"},
      {"2026-10-07 01:00:00", "newest", NULL, "2026-10-09 01:00:00"}}},
    {"what was copied before one's own is not the latest, whatever its time",
     "UTC",
     "2026-12-01 00:00:00",
     {.tags = {.texts = one_tag, .count = 1}},
     {{"2026-10-08 01:00:00", "-", "d", "2026-10-01 01:00:00"},
      {"2026-10-03 01:00:00", "newest", "d", "2026-10-09 01:00:00"},
      {"2026-10-07 01:00:00", "latest", NULL, NULL},
      {"2026-10-02 01:00:00", "tag", "t", NULL}}},
    {"after a clock that was ahead, sessions above it say nothing of when points were made",
     "UTC",
     "2026-10-20 01:00:00",
     {.keep = {[RETENTION_DAILY] = 1}, .tags = {.texts = one_tag, .count = 1}},
     {{"2028-01-03 01:00:00", "daily 2028-01-03", "1", NULL},
      {"2026-10-17 01:00:00", "-", "2", "2028-01-03 01:00:00"},
      {"2026-10-16 01:00:00", "-", "d", "2028-01-03 01:00:01"},
      {"2026-09-19 01:00:00", "completed", "p", "2028-01-03 01:00:01"},
      {"2026-10-19 01:00:00", "latest", NULL, "2028-01-03 01:00:02"},
      {"2026-10-19 02:00:00", "running", "p", "2028-01-03 01:00:03"},
      {"2026-09-20 00:59:59", "abandoned", "p", "2028-01-03 01:00:04"},
      {"2026-10-01 01:00:00", "newest", "d", "2028-01-03 01:00:05"}}},
    {"what was made while the clock was behind, or is ahead by less than a day, may be young",
     "UTC",
     "2026-10-20 01:00:00",
     {.tags = {.texts = one_tag, .count = 1}},
     {{"2026-10-20 02:00:00", "young", NULL, NULL},
      {"2026-10-21 01:00:01", "young", NULL, NULL},
      {"2026-10-18 01:00:00", "young", NULL, "2026-10-20 00:30:00"},
      {"2026-10-01 01:00:00", "young", "d", "2026-10-21 01:00:00"},
      {"2026-10-01 02:00:00", "-", "d", "2026-10-21 01:00:01"},
      {"2026-10-19 01:00:00", "latest", NULL, "2026-10-21 01:00:02"},
      {"2026-10-18 02:00:00", "newest", "d", "2026-10-22 01:00:00"}}},
    {"what is less than an hour old stays, by its data or by its session",
     "UTC",
     "2026-10-20 01:00:00",
     {.keep = {[RETENTION_LAST] = 1}},
     {{"2026-10-20 00:59:00", "last", NULL, NULL},
      {"2026-10-20 00:00:01", "young", NULL, NULL},
      {"2026-10-20 00:00:00", "-", NULL, NULL},
      {"2026-01-01 00:00:00", "young", "d", "2026-10-20 00:30:00"},
      {"2026-10-20 00:00:02", "young", "p", NULL}}},
};

static size_t fill_points(const struct table *table, struct retention_point points[MAX_ROWS])
{
    size_t count = 0;

    for (; count < MAX_ROWS && table->rows[count].time; count++) {
        const struct row *row = &table->rows[count];
        const char *traits = row->traits ? row->traits : "";
        uint8_t serial = strpbrk(traits, "123") ? (uint8_t)*strpbrk(traits, "123") : 0;
        points[count] = point_at(at(row->session ? row->session : row->time), serial);
        points[count].taken_at_ms = at(row->time);
        points[count].partial = strchr(traits, 'p');
        points[count].derived = strchr(traits, 'd');
        points[count].held = strchr(traits, 'h');
        if (strchr(traits, 't'))
            points[count].tags = (struct retention_tags){.texts = two_tags, .count = 2};
    }
    return count;
}

static void each_point_is_kept_for_its_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        const struct table *table = &tables[i];
        struct retention_point points[MAX_ROWS];
        struct retention_verdict verdicts[MAX_ROWS];
        struct retention_points guest = {.points = points, .count = fill_points(table, points)};
        struct retention_policy policy = table->policy;
        struct err err = ERR_INIT;

        set_zone(table->zone);
        policy.force = true;
        assert_int_equal(retention_decide(&guest, &policy, at(table->now), verdicts, &err), 0);
        for (size_t k = 0; k < guest.count; k++) {
            char text[64];
            verdict_text(&verdicts[k], text);
            if (strcmp(text, table->rows[k].verdict) != 0)
                fail_msg("%s: %s: %s instead of %s", table->name, table->rows[k].time, text,
                         table->rows[k].verdict);
        }
    }
}

static int decide(struct retention_points guest, const struct retention_policy *policy,
                  int64_t now_ms, enum err_kind *ret_kind)
{
    CLEANUP_FREE struct retention_verdict *verdicts = mem_array(guest.count, sizeof(*verdicts));
    struct err err = ERR_INIT;
    int status = retention_decide(&guest, policy, now_ms, verdicts, &err);

    *ret_kind = err.kind;
    err_clear(&err);
    return status;
}

static void a_policy_without_options_is_an_error(void **state)
{
    struct retention_policy policy = {.force = true};
    struct retention_point point = point_at(at("2026-10-20 01:00:00"), 0);
    struct retention_points guest = {.points = &point, .count = 1};
    enum err_kind kind;

    (void)state;
    assert_int_equal(decide(guest, &policy, point.taken_at_ms, &kind), -1);
    assert_int_equal(kind, ERR_USAGE);
    policy.keep[RETENTION_YEARLY] = 1;
    assert_int_equal(decide(guest, &policy, point.taken_at_ms, &kind), 0);
    assert_int_equal(decide((struct retention_points){0}, &policy, 0, &kind), 0);
}

static void points_from_the_future_are_refused(void **state)
{
    int64_t now_ms = at("2026-10-20 01:00:00");
    struct retention_policy policy = {.keep = {[RETENTION_LAST] = 2}};
    struct retention_point points[] = {point_at(now_ms - DAY_MS, 0), point_at(now_ms + DAY_MS, 0)};
    struct retention_points guest = {.points = points, .count = 2};
    enum err_kind kind;

    (void)state;
    assert_int_equal(decide(guest, &policy, now_ms, &kind), 0);
    points[1] = point_at(now_ms + DAY_MS + 1, 0);
    assert_int_equal(decide(guest, &policy, now_ms, &kind), -1);
    assert_int_equal(kind, ERR_EXISTS);
    policy.force = true;
    assert_int_equal(decide(guest, &policy, now_ms, &kind), 0);
    policy.force = false;
    points[1].taken_at_ms = now_ms; /* its session had to be above another one of the future */
    assert_int_equal(decide(guest, &policy, now_ms, &kind), 0);
}

static void more_than_half_at_once_is_refused(void **state)
{
    int64_t now_ms = at("2026-10-20 01:00:00");
    struct retention_policy policy = {.keep = {[RETENTION_LAST] = 2}};
    struct retention_point points[7];
    struct retention_points guest = {.points = points, .count = 4};
    enum err_kind kind;

    (void)state;
    for (int i = 0; i < 7; i++)
        points[i] = point_at(now_ms - (i + 1) * DAY_MS, 0);
    assert_int_equal(decide(guest, &policy, now_ms, &kind), 0);
    guest.count = 5;
    assert_int_equal(decide(guest, &policy, now_ms, &kind), -1);
    assert_int_equal(kind, ERR_EXISTS);
    policy.force = true;
    assert_int_equal(decide(guest, &policy, now_ms, &kind), 0);
    /* Partial points neither help nor hinder. */
    policy.force = false;
    points[4].partial = points[5].partial = points[6].partial = true;
    guest.count = 7;
    assert_int_equal(decide(guest, &policy, now_ms, &kind), 0);
    policy.keep[RETENTION_LAST] = 1;
    assert_int_equal(decide(guest, &policy, now_ms, &kind), -1);
}

/* A point a day for twelve years, with the policy that PBS proposes for ten of them. */
static void each_option_fills_its_periods(void **state)
{
    enum { DAYS = 12 * 365 };
    static const uint32_t keep[RETENTION_PERIODIC] = {
        [RETENTION_LAST] = 3,     [RETENTION_DAILY] = 13, [RETENTION_WEEKLY] = 8,
        [RETENTION_MONTHLY] = 11, [RETENTION_YEARLY] = 9,
    };
    CLEANUP_FREE struct retention_point *points = mem_array(DAYS, sizeof(*points));
    CLEANUP_FREE struct retention_verdict *verdicts = mem_array(DAYS, sizeof(*verdicts));
    struct retention_policy policy = {.force = true};
    struct retention_points guest = {.points = points, .count = DAYS};
    uint32_t kept[RETENTION_OPTIONS] = {0};
    int64_t now_ms = at("2026-10-20 01:00:00");

    (void)state;
    set_zone("Europe/Berlin");
    memcpy(policy.keep, keep, sizeof(keep));
    for (int i = 0; i < DAYS; i++)
        points[i] = point_at(now_ms - (i + 1) * DAY_MS, 0);
    assert_int_equal(retention_decide(&guest, &policy, now_ms, verdicts, NULL), 0);
    for (int i = 0; i < DAYS; i++) {
        if (retention_keeps(&verdicts[i])) {
            assert_int_equal(verdicts[i].reason, RETENTION_BY_OPTION);
            kept[verdicts[i].option]++;
        }
    }
    for (int i = 0; i < RETENTION_PERIODIC; i++)
        assert_int_equal(kept[i], keep[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_point_is_kept_for_its_reason),
        cmocka_unit_test(a_policy_without_options_is_an_error),
        cmocka_unit_test(points_from_the_future_are_refused),
        cmocka_unit_test(more_than_half_at_once_is_refused),
        cmocka_unit_test(each_option_fills_its_periods),
    };

    return cmocka_run_group_tests_name("repository retention", tests, NULL, NULL);
}
