/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Notes what happens to one guest between begin and end. Events arrive on their own thread, so news
 * of what a call has caused may come some milliseconds after the call.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "guest/guest.h"

struct guest_watch_news {
    /* Microseconds since the Unix epoch, from QEMU itself; if libvirt does not pass QEMU's events
     * on, the time at which libvirt's event arrived. */
    uint64_t stop_us;   /* its first stop since begin; 0: not yet */
    uint64_t resume_us; /* the first resume after that stop; 0: not yet */
    bool io_error;      /* an I/O error has stopped it, or was reported for it */
    bool started;       /* a shut-off guest has started */
    bool ended;         /* it has shut off, crashed or disappeared */
    bool disconnected;  /* libvirt was lost: events may be missing */
};

struct guest_watch;
/* One watch of a guest at a time: libvirt refuses a second one. */
int guest_watch_begin(struct guest *guest, struct guest_watch **ret, struct err *err);
/* May be called from any thread. */
void guest_watch_news(struct guest_watch *watch, struct guest_watch_news *ret);
/* Calls on_news at each change, mostly in the event loop's thread; on_news must not call libvirt or
 * end the watch. NULL: stops that; when this returns, no call is under way. */
void guest_watch_call(struct guest_watch *watch, void (*on_news)(void *opaque), void *opaque);
/* Call this before closing the hypervisor; the guest handle may be gone. Accepts NULL. */
void guest_watch_end(struct guest_watch *watch);
DEFINE_CLEANUP(struct guest_watch *, guest_watch_endp, guest_watch_end)
