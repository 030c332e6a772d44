/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record/latest.h"

bool latest_take(struct latest *latest, bool derived, int64_t taken_ms)
{
    if (latest->settled || taken_ms > latest->until_ms)
        return false;
    bool later = !latest->any || taken_ms > latest->taken_ms;
    if (later)
        latest->taken_ms = taken_ms;
    latest->any = true;
    latest->settled = !derived;
    return later;
}
