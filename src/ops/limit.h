/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Limits how fast something is read: a bucket that refills at the given rate and holds a tenth of a
 * second's worth.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"

struct limit {
    uint64_t rate;   /* bytes a second; 0: no limit */
    uint64_t due_ns; /* when the next read may begin; starts as 0 */
};

/* Waits until the bucket has refilled after earlier calls, then takes len bytes, which may be more
 * than it holds: the next call then waits longer. A signal that asks us to stop ends the wait
 * (cancelled). */
int limit_take(struct limit *limit, uint64_t len, struct err *err);
