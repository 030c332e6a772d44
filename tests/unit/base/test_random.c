/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>

#include "base/random.h"

ssize_t __real_getrandom(void *data, size_t len, unsigned flags);
ssize_t __wrap_getrandom(void *data, size_t len, unsigned flags);

static int interruptions;
static size_t most; /* bytes that a call gives; 0: it fails */

ssize_t __wrap_getrandom(void *data, size_t len, unsigned flags)
{
    if (interruptions > 0) {
        interruptions--;
        errno = EINTR;
        return -1;
    }
    if (most == 0) {
        errno = ENOSYS;
        return -1;
    }
    return __real_getrandom(data, len < most ? len : most, flags);
}

static void all_bytes_are_filled_though_they_come_in_parts(void **state)
{
    uint8_t seen[1000] = {0};

    (void)state;
    most = 7;
    for (int round = 0; round < 20; round++) {
        uint8_t data[1000] = {0};
        interruptions = 2;
        assert_int_equal(random_bytes(data, sizeof(data), NULL), 0);
        for (size_t i = 0; i < sizeof(data); i++)
            seen[i] |= data[i];
    }
    for (size_t i = 0; i < sizeof(seen); i++)
        assert_int_not_equal(seen[i], 0);
}

static int compare_numbers(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;

    return a < b ? -1 : a > b;
}

/* What compresses finds what is there twice, or bits that tend to one side. */
static void noise_has_nothing_twice(void **state)
{
    enum { COUNT = 1 << 16 };
    static uint64_t numbers[2 * COUNT];
    uint64_t ones = 0;

    (void)state;
    most = 100;
    assert_int_equal(random_noise(numbers, sizeof(numbers) / 2, NULL), 0);
    assert_int_equal(random_noise(numbers + COUNT, sizeof(numbers) / 2, NULL), 0);
    for (size_t i = 0; i < 2 * (size_t)COUNT; i++)
        ones += (uint64_t)__builtin_popcountll(numbers[i]);
    assert_in_range(ones, 64 * COUNT - 64 * COUNT / 100, 64 * COUNT + 64 * COUNT / 100);
    qsort(numbers, 2 * (size_t)COUNT, sizeof(*numbers), compare_numbers);
    for (size_t i = 1; i < 2 * (size_t)COUNT; i++)
        assert_true(numbers[i - 1] != numbers[i]);
}

static void noise_ends_where_it_should(void **state)
{
    (void)state;
    most = 100;
    for (size_t len = 0; len < 24; len++) {
        uint8_t seen[25] = {0};
        for (int round = 0; round < 20; round++) {
            uint8_t data[25] = {0};
            assert_int_equal(random_noise(data, len, NULL), 0);
            for (size_t i = 0; i < sizeof(data); i++)
                seen[i] |= data[i];
        }
        for (size_t i = 0; i < sizeof(seen); i++)
            assert_int_equal(seen[i] != 0, i < len);
    }
}

static void hex_has_two_digits_a_byte(void **state)
{
    char text[2 * 8 + 1], other[sizeof(text)];

    (void)state;
    most = 100;
    assert_int_equal(random_hex(8, text, NULL), 0);
    assert_int_equal(random_hex(8, other, NULL), 0);
    assert_int_equal(strlen(text), 16);
    assert_int_equal(strspn(text, "0123456789abcdef"), 16);
    assert_string_not_equal(text, other);
}

static void a_kernel_that_has_none_is_an_error(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    char text[17];

    (void)state;
    most = 0;
    assert_int_equal(random_noise(text, sizeof(text), NULL), -1);
    assert_int_equal(random_hex(8, text, &err), -1);
    assert_non_null(strstr(err.text, "random bytes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_bytes_are_filled_though_they_come_in_parts),
        cmocka_unit_test(noise_has_nothing_twice),
        cmocka_unit_test(noise_ends_where_it_should),
        cmocka_unit_test(hex_has_two_digits_a_byte),
        cmocka_unit_test(a_kernel_that_has_none_is_an_error),
    };

    return cmocka_run_group_tests_name("base random", tests, NULL, NULL);
}
