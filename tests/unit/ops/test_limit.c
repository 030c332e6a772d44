/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Rates by the time of day, with a clock that passes hours at once.
 */
#include "ops/transfer/limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include "base/units.h"
#include "../fast_clock.h"

#include <cmocka.h>

#define CLOCK(hour, minute) ((hour) * 60 + (minute))

/* In Berlin, where clocks go from 2:00 to 3:00 on 2026-03-29, and from 3:00 to 2:00 on 2026-10-25. */
static int64_t at(int month, int day, int hour, int minute)
{
    struct tm when = {.tm_year = 126,
                      .tm_mon = month - 1,
                      .tm_mday = day,
                      .tm_hour = hour,
                      .tm_min = minute,
                      .tm_isdst = -1};

    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
    return mktime(&when);
}

static void a_window_is_from_its_first_minute_to_its_last(void **state)
{
    const struct limit_rates rates = {50, {{CLOCK(8, 0), CLOCK(18, 0), 10}}, 1};

    (void)state;
    assert_int_equal(limit_rate_at(&rates, at(5, 4, 8, 0) - 1), 50);
    assert_int_equal(limit_rate_at(&rates, at(5, 4, 8, 0)), 10);
    assert_int_equal(limit_rate_at(&rates, at(5, 4, 18, 0) - 1), 10);
    assert_int_equal(limit_rate_at(&rates, at(5, 4, 18, 0)), 50);
}

static void a_window_goes_over_midnight_and_a_later_one_wins(void **state)
{
    const struct limit_rates rates = {50,
                                      {{CLOCK(22, 0), CLOCK(6, 0), 0},
                                       {CLOCK(23, 0), CLOCK(1, 0), 7},
                                       {CLOCK(12, 0), 24 * 60, 9}},
                                      3};
    const struct limit_rates two = {rates.rate, {rates.windows[0], rates.windows[1]}, 2};

    (void)state;
    assert_int_equal(limit_rate_at(&two, at(5, 4, 21, 59)), 50);
    assert_int_equal(limit_rate_at(&two, at(5, 4, 22, 0)), 0);
    assert_int_equal(limit_rate_at(&two, at(5, 4, 23, 30)), 7);
    assert_int_equal(limit_rate_at(&two, at(5, 5, 0, 59)), 7);
    assert_int_equal(limit_rate_at(&two, at(5, 5, 5, 59)), 0);
    assert_int_equal(limit_rate_at(&two, at(5, 5, 6, 0)), 50);
    assert_int_equal(limit_rate_at(&rates, at(5, 4, 23, 59)), 9);
    assert_int_equal(limit_rate_at(&rates, at(5, 5, 0, 0)), 7);
}

/* Bytes that are read from one time to another, or rather begun. */
static uint64_t read_until(struct limit *limit, int64_t end_s, uint64_t len)
{
    uint64_t total = 0;

    for (;;) {
        assert_int_equal(limit_take(limit, len, NULL), 0);
        if (fast_clock_wall_s() >= end_s)
            return total;
        total += len;
        if (limit->rate == 0)
            fast_clock_pass(1000);
    }
}

static void expect_about(uint64_t value, uint64_t expected)
{
    assert_in_range(value, expected - expected / 20, expected + expected / 20);
}

static void begin_at(int64_t now_s)
{
    fast_clock_start(FAST_CLOCK_ALL);
    fast_clock_set_wall(now_s);
}

static void the_rate_changes_while_something_is_read(void **state)
{
    struct limit limit = {
        .rates = {1000, {{CLOCK(23, 58), CLOCK(0, 2), 10000}, {CLOCK(0, 4), CLOCK(1, 0), 100}}, 2}};

    (void)state;
    begin_at(at(5, 4, 23, 56));
    expect_about(read_until(&limit, at(5, 4, 23, 58), 5000), 120 * 1000);
    expect_about(read_until(&limit, at(5, 5, 0, 2), 2000), 240 * 10000);
    expect_about(read_until(&limit, at(5, 5, 0, 4), 1000), 120 * 1000);
    expect_about(read_until(&limit, at(5, 5, 0, 14), 600), 600 * 100);
    fast_clock_stop();
}

/* A chunk for which it would have had to wait for days. */
static void a_long_wait_ends_when_the_limit_does(void **state)
{
    struct limit limit = {.rates = {0, {{CLOCK(8, 0), CLOCK(18, 0), 100}}, 1}};
    struct limit other = {.rates = {UINT64_C(1) << 20, {{CLOCK(8, 0), CLOCK(18, 0), 100}}, 1}};

    (void)state;
    begin_at(at(5, 4, 17, 57) + 30);
    assert_int_equal(limit_take(&limit, 64 * MIB, NULL), 0);
    assert_int_equal(limit_take(&limit, 1, NULL), 0);
    assert_in_range(fast_clock_wall_s() - at(5, 4, 18, 0), 0, 1);
    begin_at(at(5, 4, 17, 57) + 30);
    assert_int_equal(limit_take(&other, 64 * MIB, NULL), 0);
    assert_int_equal(limit_take(&other, 1, NULL), 0);
    assert_in_range(fast_clock_wall_s() - at(5, 4, 18, 0), 62, 66);
    fast_clock_stop();
}

/* 60 minutes from 1:30 on, of which clocks show those from 3:00 to 3:30, and three hours. */
static void clocks_are_put_forward_and_back(void **state)
{
    struct limit limit = {.rates = {1000, {{CLOCK(3, 0), CLOCK(4, 0), 100}}, 1}};
    struct limit other = {.rates = {1000, {{CLOCK(2, 0), CLOCK(3, 0), 100}}, 1}};

    (void)state;
    begin_at(at(3, 29, 1, 30));
    expect_about(read_until(&limit, at(3, 29, 3, 30), 5000), 1800 * 1000 + 1800 * 100);
    begin_at(at(10, 25, 1, 0));
    expect_about(read_until(&other, at(10, 25, 4, 0), 5000), 2 * 3600 * 1000 + 2 * 3600 * 100);
    fast_clock_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_is_from_its_first_minute_to_its_last),
        cmocka_unit_test(a_window_goes_over_midnight_and_a_later_one_wins),
        cmocka_unit_test(the_rate_changes_while_something_is_read),
        cmocka_unit_test(a_long_wait_ends_when_the_limit_does),
        cmocka_unit_test(clocks_are_put_forward_and_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
