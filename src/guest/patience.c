/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/patience.h"

#include <sys/stat.h>

struct patience patience_begin(uint64_t now_ms)
{
    return (struct patience){.moved_ms = now_ms};
}

void patience_note_image(struct patience *patience, uint64_t bytes, uint64_t now_ms)
{
    if (bytes == patience->image_bytes)
        return;
    patience->image_bytes = bytes;
    patience->grown_ms = now_ms;
}

uint64_t patience_image_bytes(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

bool patience_has_begun(const struct patience *patience)
{
    return patience->image_bytes >= PATIENCE_HEAD_BYTES;
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
    if (patience->aborted_ms)
        return now_ms - patience->aborted_ms >= PATIENCE_ABORT_MS;
    /* It cannot be aborted while it is in its last phase, which ends by itself. */
    if (patience_has_begun(patience))
        return now_ms - patience->wanted_ms >= PATIENCE_STALL_MS;
    return now_ms - patience->wanted_ms >= PATIENCE_ABORT_MS &&
           now_ms - patience->grown_ms >= PATIENCE_ABORT_MS;
}
