/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../base/unit.h"

#include <time.h>

#include "ops/keep/schedule.h"

static int64_t ms_of(const char *text)
{
    struct tm fields = {.tm_isdst = -1};

    assert_non_null(strptime(text, "%Y-%m-%d %H:%M", &fields));
    return (int64_t)mktime(&fields) * 1000;
}

static void set_zone(const char *zone)
{
    setenv("TZ", zone, 1);
    tzset();
}

static void the_next_time_is_found_in_the_local_zone(void **state)
{
    static const struct {
        const char *zone;
        const char *schedule;
        const char *after;
        const char *next;
    } rows[] = {
        {"UTC0", "hourly", "2026-05-01 10:15", "2026-05-01 11:00"},
        {"UTC0", "hourly", "2026-05-01 11:00", "2026-05-01 12:00"},
        {"UTC0", "daily 22:00", "2026-05-01 10:15", "2026-05-01 22:00"},
        {"UTC0", "daily 22:00", "2026-05-01 22:00", "2026-05-02 22:00"},
        {"UTC0", "daily 22:00", "2026-12-31 23:00", "2027-01-01 22:00"},
        {"UTC0", "daily 06:00,18:30", "2026-05-01 07:00", "2026-05-01 18:30"},
        {"UTC0", "daily 18:30,06:00", "2026-05-01 18:30", "2026-05-02 06:00"},
        {"UTC0", "weekly sun 03:05", "2026-05-01 10:15", "2026-05-03 03:05"},
        {"UTC0", "weekly fri 03:05", "2026-05-01 10:15", "2026-05-08 03:05"},
        {"UTC0", "weekly fri 10:16", "2026-05-01 10:15", "2026-05-01 10:16"},
        /* over the changes of the clocks, 22:00 stays 22:00 */
        {"CET-1CEST,M3.5.0,M10.5.0", "daily 22:00", "2026-03-28 22:00", "2026-03-29 22:00"},
        {"CET-1CEST,M3.5.0,M10.5.0", "daily 22:00", "2026-10-24 22:00", "2026-10-25 22:00"},
        /* 02:30 does not exist on that day, and is 03:30 */
        {"CET-1CEST,M3.5.0,M10.5.0", "daily 02:30", "2026-03-28 12:00", "2026-03-29 03:30"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct schedule schedule;
        set_zone(rows[i].zone);
        assert_int_equal(schedule_parse(rows[i].schedule, &schedule, NULL), 0);
        assert_int_equal(schedule_next(&schedule, ms_of(rows[i].after)), ms_of(rows[i].next));
    }
}

static void what_is_no_schedule_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "hourly 3",
        "daily",
        "daily ",
        "daily 24:00",
        "daily 22:60",
        "daily 22",
        "daily 2:00",
        "daily 22:00,",
        "daily 22:00 06:00",
        "weekly 22:00",
        "weekly son 22:00",
        "weekly sun",
        "weekly sun  22:00",
        "monthly 1 22:00",
        /* 25 times a day */
        ("daily 00:00,01:00,02:00,03:00,04:00,05:00,06:00,07:00,08:00,09:00,10:00,11:00,"
         "12:00,13:00,14:00,15:00,16:00,17:00,18:00,19:00,20:00,21:00,22:00,23:00,23:30"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        struct schedule schedule;
        assert_fails(schedule_parse(bad[i], &schedule, &err), &err, ERR_USAGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_time_is_found_in_the_local_zone),
        cmocka_unit_test(what_is_no_schedule_is_refused),
    };

    return cmocka_run_group_tests_name("ops keep schedule", tests, NULL, NULL);
}
