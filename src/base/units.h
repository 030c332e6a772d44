/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sizes as people write them, and arithmetic that cannot overflow.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define KIB UINT64_C(1024)
#define MIB (KIB * 1024)
#define GIB (MIB * 1024)
#define TIB (GIB * 1024)

#define HOUR_MS (INT64_C(3600) * 1000)
#define DAY_MS (24 * HOUR_MS)

/* "1048576", "512K", "60MiB", "1.5G", "2 TiB" in bytes; powers of 1024, in upper or lower case.
 * Refused (usage): no number, a sign, an unknown unit, more than UINT64_MAX. */
int units_parse_size(const char *text, uint64_t *ret_bytes, struct err *err);

/* A whole decimal number between min and max. */
int units_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_number,
                       struct err *err);

/* "90", "90s", "10m", "2h", "1d", "3w", "2y" (of 365 days) in milliseconds. Refused (usage): zero,
 * anything else, more than INT64_MAX: times of points and ages have a sign. */
int units_parse_time(const char *text, uint64_t *ret_ms, struct err *err);

#define UNITS_TEXT_SIZE 24
/* "1.5 GiB", "512 KiB", "17 B". Returns text. */
const char *units_format_size(uint64_t bytes, char text[static UNITS_TEXT_SIZE]);
/* "0:07", "12:34", "3:02:01". Returns text. */
const char *units_format_seconds(uint64_t seconds, char text[static UNITS_TEXT_SIZE]);

/* False, and *ret not changed, if the result does not fit. */
bool units_add(uint64_t a, uint64_t b, uint64_t *ret);
bool units_mul(uint64_t a, uint64_t b, uint64_t *ret);
/* a / b, rounded up. */
uint64_t units_div_up(uint64_t a, uint64_t b);
bool units_is_power_of_two(uint64_t value);
/* Monotonic clock. */
uint64_t units_now_ms(void);
