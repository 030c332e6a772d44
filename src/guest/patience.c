/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/patience.h"

struct patience patience_begin(uint64_t now_ms)
{
    return (struct patience){.moved_ms = now_ms};
}

bool patience_is_stalled(struct patience *patience, uint64_t copied, uint64_t now_ms)
{
    if (copied != patience->copied) {
        patience->copied = copied;
        patience->moved_ms = now_ms;
    }
    return now_ms - patience->moved_ms >= PATIENCE_STALL_MS;
}

void patience_want_end(struct patience *patience, uint64_t now_ms)
{
    if (!patience->wanted_ms)
        patience->wanted_ms = now_ms;
}

void patience_note_abort(struct patience *patience, uint64_t now_ms)
{
    if (!patience->aborted_ms)
        patience->aborted_ms = now_ms;
}

bool patience_is_over(const struct patience *patience, bool insisted, uint64_t now_ms)
{
    if (!patience->wanted_ms)
        return false;
    if (insisted && now_ms - patience->wanted_ms >= PATIENCE_INSISTED_MS)
        return true;
    /* It cannot be aborted while it is in its last phase, which ends by itself. */
    if (!patience->aborted_ms)
        return now_ms - patience->wanted_ms >= PATIENCE_STALL_MS;
    return now_ms - patience->aborted_ms >= PATIENCE_ABORT_MS;
}
