/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How long a copy of a guest's memory is waited for. There is no limit while it makes progress. One
 * that makes none is cancelled, and one that does not end when it ought to is left to libvirt. All
 * times are from one clock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/units.h"

/* Storage that hangs may come back by then; flushing the whole image, too, takes a while. */
#define PATIENCE_STALL_MS (UINT64_C(10) * 60 * 1000)
/* From an abort that libvirt has accepted. */
#define PATIENCE_ABORT_MS (UINT64_C(60) * 1000)
/* The same for somebody who insists on it with a second signal. */
#define PATIENCE_INSISTED_MS (UINT64_C(5) * 1000)

/* An image that is smaller contains at most libvirt's head, with the guest's definition: QEMU, which
 * may hang, has not begun to copy. Then nothing has happened to the guest that would have to be
 * waited for. */
#define PATIENCE_HEAD_BYTES MIB

struct patience {
    uint64_t copied;     /* bytes */
    uint64_t moved_ms;   /* when that changed last */
    uint64_t wanted_ms;  /* since when it ought to end; 0: it may go on */
    uint64_t aborted_ms; /* since when an abort is accepted; 0: none */
    uint64_t image_bytes;
    uint64_t grown_ms; /* when that changed last */
};

struct patience patience_begin(uint64_t now_ms);
/* How large the image is by now: 0 if it does not exist. */
void patience_note_image(struct patience *patience, uint64_t bytes, uint64_t now_ms);
uint64_t patience_image_bytes(const char *path);
bool patience_has_begun(const struct patience *patience);
/* True if it has made no progress for too long. */
bool patience_is_stalled(struct patience *patience, uint64_t copied, uint64_t now_ms);
/* Call these when that becomes so; only the first call counts. */
void patience_want_end(struct patience *patience, uint64_t now_ms);
void patience_note_abort(struct patience *patience, uint64_t now_ms);
/* True if it is not worth waiting for any longer. */
bool patience_is_over(const struct patience *patience, bool insisted, uint64_t now_ms);
