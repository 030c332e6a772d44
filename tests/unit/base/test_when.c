/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <time.h>

#include "base/array.h"
#include "base/when.h"

static void set_zone(const char *zone)
{
    setenv("TZ", zone, 1);
    tzset();
}

static void people_read_local_time_with_its_zone(void **state)
{
    static const struct {
        const char *zone;
        const char *time;
        const char *text;
    } rows[] = {
        {"UTC0", "2026-05-01T10:00:00Z", "2026-05-01 10:00:00 +0000"},
        {"CET-1CEST,M3.5.0,M10.5.0", "2026-05-01T10:00:00Z", "2026-05-01 12:00:00 +0200"},
        {"CET-1CEST,M3.5.0,M10.5.0", "2026-12-31T23:30:00Z", "2027-01-01 00:30:00 +0100"},
        {"NST3:30", "2026-05-01T12:00:00+02:00", "2026-05-01 06:30:00 -0330"},
        {"UTC0", "2026-05-01T00:00:00-03:30", "2026-05-01 03:30:00 +0000"},
        {"NST3:30", "2026-05-01T12:00:00.250Z", "2026-05-01 08:30:00 -0330"},
        {"UTC0", "2026-05-01 03:00:00", "2026-05-01 03:00:00"}, /* of an earlier version */
        {"UTC0", "2026-05-01T03:00:00", "2026-05-01T03:00:00"},
        {"UTC0", "some time, and a text that is too long for it",
         "some time, and a text that is t"},
    };
    char text[WHEN_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        set_zone(rows[i].zone);
        assert_string_equal(when_local(rows[i].time, text), rows[i].text);
    }
}

static void programs_read_rfc_3339(void **state)
{
    char now[WHEN_TEXT_SIZE];
    char text[WHEN_TEXT_SIZE];

    (void)state;
    set_zone("NST3:30");
    assert_int_equal(strlen(when_now(now)), strlen("2026-05-01T03:00:00-03:30"));
    assert_string_equal(now + 19, "-03:30");
    when_local(now, text);
    assert_memory_equal(text, now, 10);
    assert_memory_equal(text + 11, now + 11, 8);
    assert_string_equal(text + 19, " -0330");
}

static void times_are_read_as_people_write_them(void **state)
{
    static const struct {
        const char *zone;
        const char *text;
        const char *last; /* second that is named, in UTC; NULL: it is no time */
    } rows[] = {
        {"UTC0", "2026-05-01", "2026-05-01T23:59:59Z"},
        {"CET-1CEST,M3.5.0,M10.5.0", "2026-05-01", "2026-05-01T21:59:59Z"},
        {"CET-1CEST,M3.5.0,M10.5.0", "2026-05-01 03:00", "2026-05-01T01:00:59Z"},
        {"CET-1CEST,M3.5.0,M10.5.0", "2026-12-01T03:00:30", "2026-12-01T02:00:30Z"},
        {"CET-1CEST,M3.5.0,M10.5.0", "2026-05-01 03:00:00 +0200", "2026-05-01T01:00:00Z"},
        {"NST3:30", "2026-05-01T03:00:00Z", "2026-05-01T03:00:00Z"},
        {"NST3:30", "2026-05-01T03:00Z", "2026-05-01T03:00:59Z"},
        {"UTC0", "2026-05-01T03:00:00-03:30", "2026-05-01T06:30:00Z"},
        {"CET-1CEST,M3.5.0,M10.5.0", "2026-10-25", "2026-10-25T22:59:59Z"}, /* 25 hours */
        {"CET-1CEST,M3.5.0,M10.5.0", "2026-03-29", "2026-03-29T21:59:59Z"}, /* 23 hours */
        {"CET-1CEST,M3.5.0,M10.5.0", "2026-12-31", "2026-12-31T22:59:59Z"},
        /* where clocks are changed at midnight */
        {"<-03>3<-02>,M10.3.0/0,M2.3.0/0", "2026-10-17", "2026-10-18T02:59:59Z"},
        {"<-03>3<-02>,M10.3.0/0,M2.3.0/0", "2026-02-14", "2026-02-15T02:59:59Z"},
        {"UTC0", "2028-02-29", "2028-02-29T23:59:59Z"},
        {"UTC0", "2026-02-29", NULL},
        {"UTC0", "2026-02-30 03:00", NULL},
        {"UTC0", "2026-04-31T03:00:00Z", NULL},
        {"UTC0", "", NULL},
        {"UTC0", "latest", NULL},
        {"UTC0", "20260501", NULL},
        {"UTC0", "2026-13-01", NULL},
        {"UTC0", "2026-05-01 ", NULL},
        {"UTC0", "2026-05-01 3", NULL},
        {"UTC0", "2026-05-01 03:00 CET", NULL},
        {"UTC0", "2026-05-01 03:00:00+02:00x", NULL},
        {"UTC0", "2026-05-01Z", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char text[WHEN_TEXT_SIZE];
        int64_t time_ms = 0;
        set_zone(rows[i].zone);
        assert_int_equal(when_parse(rows[i].text, &time_ms), rows[i].last != NULL);
        if (!rows[i].last)
            continue;
        assert_string_equal(when_utc(time_ms, text), rows[i].last);
        assert_int_equal(time_ms % 1000, 999);
    }
}

static void a_time_with_a_fraction_is_that_of_a_point(void **state)
{
    static const struct {
        const char *text;
        int64_t last_ms; /* -1: it is no time */
    } rows[] = {
        {"1970-01-01T00:00:49.151Z", 49151}, {"1970-01-01 00:00:49.151", 49151},
        {"1970-01-01T00:00:49.1Z", 49199},   {"1970-01-01T00:00:49.151999+00:00", 49151},
        {"1970-01-01T00:00:49.000Z", 49000}, {"1970-01-01T00:00:49Z", 49999},
        {"1970-01-01T00:00Z", 59999},        {"1970-01-01T00:00:49.Z", -1},
        {"1970-01-01T00:00.151Z", -1},       {"1970-01-01T00:00:49,151Z", -1},
        {"1970-01-01T00:00:49.151 UTC", -1},
    };

    (void)state;
    set_zone("UTC0");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t time_ms = -1;
        assert_int_equal(when_parse(rows[i].text, &time_ms), rows[i].last_ms >= 0);
        assert_int_equal(time_ms, rows[i].last_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(people_read_local_time_with_its_zone),
        cmocka_unit_test(programs_read_rfc_3339),
        cmocka_unit_test(times_are_read_as_people_write_them),
        cmocka_unit_test(a_time_with_a_fraction_is_that_of_a_point),
    };

    return cmocka_run_group_tests_name("base when", tests, NULL, NULL);
}
