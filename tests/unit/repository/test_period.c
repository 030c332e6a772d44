/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "repository/keep/period.h"
#include "times.h"

static void periods_have_the_names_of_local_time(void **state)
{
    static const struct {
        const char *zone, *time;
        enum period_kind kind;
        const char *name;
    } rows[] = {
        /* Two hours are called 02 when clocks are set back, none when they are set forward. */
        {"Europe/Berlin", "2026-10-25 00:59:59", PERIOD_HOUR, "2026-10-25 02 +0200"},
        {"Europe/Berlin", "2026-10-25 01:00:00", PERIOD_HOUR, "2026-10-25 02 +0100"},
        {"Europe/Berlin", "2026-03-29 00:59:59", PERIOD_HOUR, "2026-03-29 01 +0100"},
        {"Europe/Berlin", "2026-03-29 01:00:00", PERIOD_HOUR, "2026-03-29 03 +0200"},
        /* Days of 25 and of 23 hours. */
        {"Europe/Berlin", "2026-10-24 21:59:59", PERIOD_DAY, "2026-10-24"},
        {"Europe/Berlin", "2026-10-24 22:00:00", PERIOD_DAY, "2026-10-25"},
        {"Europe/Berlin", "2026-10-25 22:59:59", PERIOD_DAY, "2026-10-25"},
        {"Europe/Berlin", "2026-10-25 23:00:00", PERIOD_DAY, "2026-10-26"},
        {"Europe/Berlin", "2026-03-29 21:59:59", PERIOD_DAY, "2026-03-29"},
        {"Europe/Berlin", "2026-03-29 22:00:00", PERIOD_DAY, "2026-03-30"},
        /* Clocks went back a minute after midnight, to the day before. */
        {"America/St_Johns", "2010-11-07 02:30:00", PERIOD_DAY, "2010-11-07"},
        {"America/St_Johns", "2010-11-07 02:31:00", PERIOD_DAY, "2010-11-06"},
        /* A day that was left out. */
        {"Pacific/Apia", "2011-12-30 09:59:59", PERIOD_DAY, "2011-12-29"},
        {"Pacific/Apia", "2011-12-30 10:00:00", PERIOD_DAY, "2011-12-31"},
        /* Weeks at the ends of years. */
        {"UTC", "2020-12-31 12:00:00", PERIOD_WEEK, "2020-W53"},
        {"UTC", "2021-01-03 23:59:59", PERIOD_WEEK, "2020-W53"},
        {"UTC", "2021-01-04 00:00:00", PERIOD_WEEK, "2021-W01"},
        {"UTC", "2024-12-29 23:59:59", PERIOD_WEEK, "2024-W52"},
        {"UTC", "2024-12-30 00:00:00", PERIOD_WEEK, "2025-W01"},
        {"UTC", "2027-01-03 23:59:59", PERIOD_WEEK, "2026-W53"},
        {"Asia/Tokyo", "2027-01-03 15:00:00", PERIOD_WEEK, "2027-W01"},
        /* Leap days. */
        {"UTC", "2028-02-29 23:59:59", PERIOD_DAY, "2028-02-29"},
        {"UTC", "2028-02-29 23:59:59", PERIOD_MONTH, "2028-02"},
        {"UTC", "2028-03-01 00:00:00", PERIOD_MONTH, "2028-03"},
        {"UTC", "2100-02-28 23:59:59", PERIOD_MONTH, "2100-02"},
        {"UTC", "2100-03-01 00:00:00", PERIOD_MONTH, "2100-03"},
        {"America/New_York", "2027-01-01 04:59:59", PERIOD_YEAR, "2026"},
        {"America/New_York", "2027-01-01 05:00:00", PERIOD_YEAR, "2027"},
        /* Rules that go on after the last year of the tables. */
        {"Europe/Berlin", "2060-07-01 22:30:00", PERIOD_DAY, "2060-07-02"},
        {"Europe/Berlin", "2060-12-01 22:30:00", PERIOD_DAY, "2060-12-01"},
    };
    char text[PERIOD_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        set_zone(rows[i].zone);
        assert_string_equal(period_name(rows[i].kind, at(rows[i].time), text), rows[i].name);
    }
    set_zone("UTC");
    assert_string_equal(period_name(PERIOD_DAY, -1, text), "1969-12-31");
    assert_string_equal(period_name(PERIOD_DAY, 999, text), "1970-01-01");
}

static void zones_that_are_not_known_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "Europe/Nowhere",
        "Europe",
        "/etc/localtime",
        "../zoneinfo/UTC",
        "CET-1CEST,M3.5.0,M10.5.0",
        ":UTC",
    };
    char text[PERIOD_TEXT_SIZE];

    (void)state;
    set_zone("Asia/Tokyo");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct err err = ERR_INIT;
        assert_int_equal(period_use_zone(bad[i], &err), -1);
        assert_int_equal(err.kind, ERR_NOT_FOUND);
        err_clear(&err);
    }
    assert_string_equal(period_name(PERIOD_HOUR, 0, text), "1970-01-01 09 +0900");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(periods_have_the_names_of_local_time),
        cmocka_unit_test(zones_that_are_not_known_are_refused),
    };

    return cmocka_run_group_tests_name("repository period", tests, NULL, NULL);
}
