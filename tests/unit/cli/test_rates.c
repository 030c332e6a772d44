/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Rates by the time of day, as --bandwidth-limit has them.
 */
#include "unit.h"

#include <inttypes.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "cli/arguments.h"

/* "rate begin-end=rate ...", or the error. The caller frees. */
static char *read_rates(const char *text)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct limit_rates rates = {.rate = 1};
    struct buf out = {0};

    if (arguments_parse_rates(text, &rates, &err) < 0) {
        assert_int_equal(err.kind, ERR_USAGE);
        assert_int_equal(rates.rate, 1);
        return mem_strdup(err.text);
    }
    buf_printf(&out, "%" PRIu64, rates.rate);
    for (size_t i = 0; i < rates.count; i++)
        buf_printf(&out, " %u-%u=%" PRIu64, rates.windows[i].begin, rates.windows[i].end,
                   rates.windows[i].rate);
    return buf_take_str(&out);
}

#define LIKE "; write it like 50M or 50M,08:00-18:00=10M,22:00-06:00=none"
#define WINDOW "00:00-24:00=1,"
#define FOUR WINDOW WINDOW WINDOW WINDOW

static void rates_are_read_or_refused(void **state)
{
    static const struct {
        const char *text;
        const char *result;
    } rows[] = {
        {"50M", "52428800"},
        {"none", "0"},
        {"1K,08:00-18:00=2K,22:00-06:00=none", "1024 480-1080=2048 1320-360=0"},
        {"08:00-18:00=10", "0 480-1080=10"},
        {"none,22:00-24:00=1.5K", "0 1320-1440=1536"},
        {"", "'' is not a rate" LIKE},
        {"50M,", "'' is not a time of day and a rate" LIKE},
        {"50M,20M", "'20M' is not a time of day and a rate" LIKE},
        {"50M,08:00=10M", "'08:00=10M' is not a time of day and a rate" LIKE},
        {"50M,08:00-18:00=fast", "'fast' is not a rate" LIKE},
        {"0", "a rate must not be zero; to have no limit, write none"},
        {"50M,08:00-18:00=0", "a rate must not be zero; to have no limit, write none"},
        {"50M,08:00-08:00=1M", "'08:00-08:00' begins when it ends; a whole day is 00:00-24:00"},
        {FOUR FOUR FOUR FOUR "00:00-01:00=1", "more than 16 times of day"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        CLEANUP_FREE char *result = read_rates(rows[i].text);
        assert_string_equal(result, rows[i].result);
    }
}

static void times_of_day_are_those_of_a_clock(void **state)
{
    static const char *const wrong[] = {"8:00-18:00=1", "24:00-18:00=1", "08:00-18:60=1",
                                        "08:00-25:00=1"};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct limit_rates rates = {0};
        CLEANUP_ERR struct err err = ERR_INIT;
        assert_int_equal(arguments_parse_rates(wrong[i], &rates, &err), -1);
        assert_int_equal(err.kind, ERR_USAGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_are_read_or_refused),
        cmocka_unit_test(times_of_day_are_those_of_a_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
