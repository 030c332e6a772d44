/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "base/units.h"

static void sizes_are_read_as_people_write_them(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } rows[] = {
        {"0", 0},
        {"1048576", MIB},
        {"512K", 512 * KIB},
        {"512k", 512 * KIB},
        {"60MiB", 60 * MIB},
        {"60mib", 60 * MIB},
        {"60MB", 60 * MIB},
        {"17B", 17},
        {"1.5G", GIB + GIB / 2},
        {"0.5K", 512},
        {"2 TiB", 2 * TIB},
        {"15E", UINT64_C(15) << 60},
        {"18446744073709551615", UINT64_MAX},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        uint64_t bytes = 1;
        assert_int_equal(units_parse_size(rows[i].text, &bytes, NULL), 0);
        assert_true(bytes == rows[i].bytes);
    }
}

static void what_is_no_size_is_refused(void **state)
{
    static const char *const rows[] = {
        "",
        " 1",
        "-1",
        "+1",
        "K",
        "1X",
        "1KK",
        "1.K",
        ".5K",
        "0x10",
        "1e3",
        "1K ",
        "16E",
        "18446744073709551616",
        "1.5.5",
        "1,5K",
        "1 K B",
        "17592186044416M",
        "1.1234567890K",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        uint64_t bytes = 4711;
        assert_fails(units_parse_size(rows[i], &bytes, &err), &err, ERR_USAGE);
        assert_text_has(err.text, rows[i]);
        assert_int_equal(bytes, 4711);
    }
}

static void numbers_are_held_to_their_bounds(void **state)
{
    static const char *const bad[] = {
        "", "0", "11", "-1", "+1", " 1", "1 ", "1x", "99999999999999999999"};
    uint64_t number = 0;

    (void)state;
    assert_int_equal(units_parse_number("1", 1, 10, &number, NULL), 0);
    assert_int_equal(number, 1);
    assert_int_equal(units_parse_number("10", 1, 10, &number, NULL), 0);
    assert_int_equal(number, 10);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        assert_fails(units_parse_number(bad[i], 1, 10, &number, &err), &err, ERR_USAGE);
        assert_int_equal(number, 10);
    }
}

static void sizes_are_shown_short(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } rows[] = {
        {0, "0 B"},         {1023, "1023 B"},         {1024, "1 KiB"},
        {1536, "1.50 KiB"}, {512 * KIB, "512 KiB"},   {20 * MIB + 512 * KIB, "20.5 MiB"},
        {3 * GIB, "3 GiB"}, {UINT64_MAX, "16.0 EiB"},
    };
    char text[UNITS_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_string_equal(units_format_size(rows[i].bytes, text), rows[i].text);
}

static void times_are_shown_as_clocks_do(void **state)
{
    char text[UNITS_TEXT_SIZE];

    (void)state;
    assert_string_equal(units_format_seconds(7, text), "0:07");
    assert_string_equal(units_format_seconds(754, text), "12:34");
    assert_string_equal(units_format_seconds(3599, text), "59:59");
    assert_string_equal(units_format_seconds(3600, text), "1:00:00");
    assert_string_equal(units_format_seconds(10921, text), "3:02:01");
    /* the longest that there is fits */
    assert_string_equal(units_format_seconds(UINT64_MAX, text), "5124095576030431:00:15");
}

static void arithmetic_does_not_wrap_round(void **state)
{
    uint64_t result = 5;

    (void)state;
    assert_true(units_add(UINT64_MAX - 1, 1, &result));
    assert_true(result == UINT64_MAX);
    assert_false(units_add(UINT64_MAX, 1, &result));
    assert_false(units_mul(UINT64_C(1) << 32, UINT64_C(1) << 32, &result));
    assert_true(result == UINT64_MAX);
    assert_true(units_mul(UINT64_C(1) << 31, UINT64_C(1) << 32, &result));
    assert_true(result == UINT64_C(1) << 63);
    assert_true(units_div_up(UINT64_MAX, 2) == UINT64_C(1) << 63);
    assert_int_equal(units_div_up(0, 7), 0);
    assert_int_equal(units_div_up(7, 7), 1);
    assert_int_equal(units_div_up(8, 7), 2);
}

static void powers_of_two_are_known(void **state)
{
    (void)state;
    assert_false(units_is_power_of_two(0));
    assert_true(units_is_power_of_two(1));
    assert_true(units_is_power_of_two(UINT64_C(1) << 63));
    assert_false(units_is_power_of_two(3));
    assert_false(units_is_power_of_two(UINT64_MAX));
}

static void times_are_read_with_their_units(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {{"90", 90000},
                {"90s", 90000},
                {"10m", 600000},
                {"2h", 7200000},
                {"1d", 86400000},
                {"2w", 1209600000},
                {"2y", UINT64_C(63072000000)},
                {"9223372036854775", UINT64_C(9223372036854775000)}};
    static const char *const bad[] = {"",
                                      "0",
                                      "m",
                                      "-1",
                                      "1.5h",
                                      "10 m",
                                      "10M",
                                      "1W",
                                      "18446744073709551615",
                                      "9223372036854776",
                                      "9999999999999999",
                                      "300000000y"};
    uint64_t ms = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        assert_int_equal(units_parse_time(bad[i], &ms, &err), -1);
        assert_int_equal(err.kind, ERR_USAGE);
        assert_int_equal(ms, 7);
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        assert_int_equal(units_parse_time(good[i].text, &ms, NULL), 0);
        assert_int_equal(ms, good[i].ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read_with_their_units),
        cmocka_unit_test(sizes_are_read_as_people_write_them),
        cmocka_unit_test(what_is_no_size_is_refused),
        cmocka_unit_test(numbers_are_held_to_their_bounds),
        cmocka_unit_test(sizes_are_shown_short),
        cmocka_unit_test(times_are_shown_as_clocks_do),
        cmocka_unit_test(arithmetic_does_not_wrap_round),
        cmocka_unit_test(powers_of_two_are_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
