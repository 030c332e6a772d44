/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Times, zones and points of the tests of retention. After <cmocka.h>.
 */
#pragma once

#include <stdint.h>
#include <time.h>

#include "base/units.h"
#include "repository/keep/retention.h"

/* "2026-10-25 00:30:00" in UTC */
static inline int64_t at(const char *text)
{
    struct tm fields = {0};

    assert_non_null(strptime(text, "%Y-%m-%d %H:%M:%S", &fields));
    return (int64_t)timegm(&fields) * 1000;
}

/* A point of that time, whose session began then; serial tells points of one time apart. */
static inline struct retention_point point_at(int64_t time_ms, uint8_t serial)
{
    struct retention_point point = {.taken_at_ms = time_ms};

    for (int i = 0; i < 6; i++)
        point.id.bytes[i] = (uint8_t)(time_ms >> (8 * (5 - i)));
    point.id.bytes[ID_SIZE - 1] = serial;
    return point;
}

static inline void set_zone(const char *name)
{
    struct err err = ERR_INIT;

    if (period_use_zone(name, &err) < 0)
        fail_msg("%s", err.text);
}
