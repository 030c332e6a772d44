/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A limit on how fast something is read: a bucket that refills at the rate and
 * holds a tenth of a second of it.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"

struct limit {
    uint64_t rate;   /* bytes a second; 0: no limit */
    uint64_t due_ns; /* when the next read may begin; starts as 0 */
};

/* Waits until the bucket has refilled after what was taken before, then takes len bytes,
 * which may be more than it holds: those after it wait the longer. A signal that asks us
 * to stop ends the wait (cancelled). */
int limit_take(struct limit *limit, uint64_t len, struct err *err);
