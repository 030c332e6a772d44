/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/units.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/array.h"
#include "base/cleanup.h"

static const char unit_letters[] = "KMGTPE";

/* The number of bytes in a unit; 0 if there is no such unit. */
static uint64_t unit_bytes(const char *unit)
{
    if (*unit == '\0' || strcasecmp(unit, "B") == 0)
        return 1;
    const char *letter = strchr(unit_letters, toupper((unsigned char)*unit));
    if (!letter || !*letter)
        return 0;
    if (unit[1] != '\0' && strcasecmp(unit + 1, "iB") != 0 && strcasecmp(unit + 1, "B") != 0)
        return 0;
    return UINT64_C(1) << (10 * (letter - unit_letters + 1));
}

/* The digits after the point as a fraction of `unit`, at most 9 of them. */
static bool parse_fraction(const char **text, uint64_t unit, uint64_t *ret_bytes)
{
    uint64_t value = 0;
    uint64_t scale = 1;

    if (!isdigit((unsigned char)**text))
        return false;
    for (; isdigit((unsigned char)**text); (*text)++) {
        if (scale == 1000000000)
            return false;
        value = value * 10 + (uint64_t)(**text - '0');
        scale *= 10;
    }
    *ret_bytes = (uint64_t)((long double)unit * (long double)value / (long double)scale);
    return true;
}

int units_parse_size(const char *text, uint64_t *ret_bytes, struct err *err)
{
    char *end = NULL;
    uint64_t fraction = 0;

    if (!isdigit((unsigned char)*text))
        goto bad;
    errno = 0;
    uint64_t number = strtoull(text, &end, 10);
    if (errno)
        goto bad;
    const char *unit = end;
    const char *digits = NULL;
    if (*unit == '.') {
        digits = unit + 1;
        unit = digits + strspn(digits, "0123456789");
    }
    while (*unit == ' ')
        unit++;
    uint64_t bytes = unit_bytes(unit);
    if (bytes == 0 || (digits && !parse_fraction(&digits, bytes, &fraction)))
        goto bad;
    if (!units_mul(number, bytes, &number) || !units_add(number, fraction, ret_bytes))
        goto bad;
    return 0;
bad:
    return err_set(err, ERR_USAGE, "'%s' is not a size; write it like 512K, 60MiB or 1.5G", text);
}

int units_parse_time(const char *text, uint64_t *ret_ms, struct err *err)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {
        {"", 1000},
        {"s", 1000},
        {"m", 60 * 1000},
        {"h", 3600 * 1000},
        {"d", 86400 * 1000},
        {"w", 7 * 86400 * 1000},
        {"y", UINT64_C(365) * 86400 * 1000},
    };
    size_t digits = strspn(text, "0123456789");
    CLEANUP_FREE char *number_text = mem_strndup(text, digits);
    uint64_t number = 0, ms = 0;

    for (size_t i = 0; i < ARRAY_COUNT(units); i++) {
        if (strcmp(text + digits, units[i].name) != 0 ||
            units_parse_number(number_text, 1, UINT64_MAX, &number, NULL) < 0)
            continue;
        if (!units_mul(number, units[i].ms, &ms) || ms > INT64_MAX)
            return err_set(err, ERR_USAGE, "'%s' is too long", text);
        *ret_ms = ms;
        return 0;
    }
    return err_set(err, ERR_USAGE, "'%s' is not a time; write it like 90s, 10m, 2h or 7d", text);
}

int units_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_number,
                       struct err *err)
{
    char *end = NULL;

    errno = 0;
    uint64_t number = isdigit((unsigned char)*text) ? strtoull(text, &end, 10) : 0;
    if (!end || *end || errno || number < min || number > max)
        return err_set(err, ERR_USAGE, "'%s' is not a number from %llu to %llu", text,
                       (unsigned long long)min, (unsigned long long)max);
    *ret_number = number;
    return 0;
}

const char *units_format_size(uint64_t bytes, char text[static UNITS_TEXT_SIZE])
{
    unsigned unit = 0;
    double value = (double)bytes;

    while (value >= 1024 && unit < strlen(unit_letters)) {
        value /= 1024;
        unit++;
    }
    if (unit == 0)
        snprintf(text, UNITS_TEXT_SIZE, "%llu B", (unsigned long long)bytes);
    else if (bytes % (UINT64_C(1) << (10 * unit)) == 0)
        snprintf(text, UNITS_TEXT_SIZE, "%.0f %ciB", value, unit_letters[unit - 1]);
    else
        snprintf(text, UNITS_TEXT_SIZE, value < 10 ? "%.2f %ciB" : "%.1f %ciB", value,
                 unit_letters[unit - 1]);
    return text;
}

const char *units_format_seconds(uint64_t seconds, char text[static UNITS_TEXT_SIZE])
{
    unsigned long long s = seconds;

    if (s < 3600)
        snprintf(text, UNITS_TEXT_SIZE, "%llu:%02llu", s / 60, s % 60);
    else
        snprintf(text, UNITS_TEXT_SIZE, "%llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
    return text;
}

bool units_add(uint64_t a, uint64_t b, uint64_t *ret)
{
    uint64_t sum;

    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *ret = sum;
    return true;
}

bool units_mul(uint64_t a, uint64_t b, uint64_t *ret)
{
    uint64_t product;

    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *ret = product;
    return true;
}

uint64_t units_div_up(uint64_t a, uint64_t b)
{
    return a / b + (a % b != 0);
}

bool units_is_power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

uint64_t units_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
