/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * When backups are made, for prune --simulate: "hourly", "daily 22:00", "daily 06:00,18:00" or
 * "weekly sun 22:00", in local time.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define SCHEDULE_TIMES_MAX 24u /* of a day */

struct schedule {
    size_t count;                         /* 0: hourly */
    unsigned minutes[SCHEDULE_TIMES_MAX]; /* after midnight */
    int weekday;                          /* as in struct tm; -1: every day */
};

/* Refused (usage): anything else. */
int schedule_parse(const char *text, struct schedule *ret, struct err *err);
/* The first time after this one, in milliseconds since 1970. Times that a change of the clocks skips
 * move with it. */
int64_t schedule_next(const struct schedule *schedule, int64_t after_ms);
