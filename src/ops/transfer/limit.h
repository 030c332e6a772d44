/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Limits how fast something is read: a bucket that refills at the given rate and holds a tenth of a
 * second's worth. The rate may depend on the time of day, by the clocks of this host; it changes with
 * the minute at which a window begins or ends, and what is waited for then is waited for at the new
 * rate.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define LIMIT_WINDOWS_MAX 16

/* From one minute of the day up to another, over midnight if that is the smaller one. */
struct limit_window {
    unsigned begin, end; /* minutes since midnight; the end is at most 24 hours */
    uint64_t rate;
};

/* Rates are bytes a second; 0: no limit. */
struct limit_rates {
    uint64_t rate; /* outside of all windows */
    struct limit_window windows[LIMIT_WINDOWS_MAX];
    size_t count; /* of windows; of several at one time, the last counts */
};

struct limit {
    struct limit_rates rates;
    uint64_t due_ns; /* when the next read may begin; starts as 0 */
    uint64_t rate;   /* the one of due_ns */
    int64_t minute;  /* since 1970, of `rate`; 0: not looked at yet */
};

/* At this time, in seconds since 1970. */
uint64_t limit_rate_at(const struct limit_rates *rates, int64_t now_s);

/* Waits until the bucket has refilled after earlier calls, then takes len bytes, which may be more
 * than it holds: the next call then waits longer. A signal that asks us to stop ends the wait
 * (cancelled). */
int limit_take(struct limit *limit, uint64_t len, struct err *err);
