/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Notes what happens to one guest from begin to end. Events come on their own
 * thread: news of what a call has caused may follow it by some milliseconds.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "guest/guest.h"

struct guest_watch_news {
    /* Microseconds of the Unix clock, QEMU's own time; where libvirt does not hand
     * QEMU's events on, the time at which libvirt's event came. */
    uint64_t stop_us;   /* its first stop since begin; 0: none yet */
    uint64_t resume_us; /* the first resume after that stop; 0: none yet */
    bool io_error;      /* an I/O error has stopped it, or was reported for it */
    bool started;       /* a shut-off guest has started */
    bool ended;         /* it has shut off, crashed or gone */
    bool disconnected;  /* libvirt was lost: events may be missing */
};

struct guest_watch;
/* One watch of a guest at a time: libvirt refuses a second one. */
int guest_watch_begin(struct guest *guest, struct guest_watch **ret, struct err *err);
/* From any thread. */
void guest_watch_news(struct guest_watch *watch, struct guest_watch_news *ret);
/* Calls on_news at each change, mostly in the event loop's thread: it must not call
 * libvirt nor end the watch. NULL: no more; when this returns, no call is under way. */
void guest_watch_call(struct guest_watch *watch, void (*on_news)(void *opaque), void *opaque);
/* Before the hypervisor is closed; the guest handle may be gone. Accepts NULL. */
void guest_watch_end(struct guest_watch *watch);
DEFINE_CLEANUP(struct guest_watch *, guest_watch_endp, guest_watch_end)
