/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The hours, days, weeks, months and years that retention counts, as people where the process runs
 * (or where they say) would name them. What is local time is a state of the whole process: here it
 * is set once, before anybody asks, and never set back.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"

enum period_kind {
    PERIOD_HOUR, /* "2026-10-25 02 +0200": the offset tells the two apart when clocks are set back */
    PERIOD_DAY,  /* "2026-10-25" */
    PERIOD_WEEK,  /* of ISO 8601, Monday to Sunday: "2026-W53" may have days of 2027 */
    PERIOD_MONTH, /* "2026-10" */
    PERIOD_YEAR,  /* "2026" */
};

#define PERIOD_TEXT_SIZE 32

/* ERR_NOT_FOUND if there is no such zone. */
int period_check_zone(const char *name, struct err *err);
/* Makes the zone of that name in the system's database ("Europe/Berlin", "UTC") the local one of the
 * process, for messages too. Changes the environment: call it while no other thread runs and before
 * children are forked that should know it. Without a call the zone is the host's. ERR_NOT_FOUND if
 * there is no such zone. */
int period_use_zone(const char *name, struct err *err);

/* The name of the period that time_ms (since 1970) lies in. Two times lie in one period if and only
 * if its names are the same. Any number of threads may call it. Returns text. */
const char *period_name(enum period_kind kind, int64_t time_ms, char text[static PERIOD_TEXT_SIZE]);
