/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * No answer of libvirt is waited for without an end. libvirt itself gives none: a call waits for as
 * long as QEMU does not answer its monitor, or the storage behind a file does not. So every call
 * that may wait stands in a scope with BOUNDED_CALLS. When such a scope lasts too long, the sockets
 * of all connections of this process are shut down, and every call that waits in one fails, just as
 * if libvirtd had died: libvirt_error reports why, and the next use of the guest reconnects.
 *
 * Whatever libvirt was asked for may still happen after that. This is safe because whoever undoes
 * it first asks for the guest's job (guest_wait_for_job), and libvirt, which works on a guest for
 * one caller at a time, answers only when the earlier call has ended; until then the undoing fails
 * and the journal stays.
 *
 * Calls that take long by their nature (a save, a snapshot of memory) run in a thread (long_call.h)
 * and have limits of their own (patience.h). Connections to drivers within this process have no
 * socket, and are not bounded.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

/* How long a scope may last, from its begin; 0: without limit. */
struct bounded_times {
    uint64_t limit_ms;
    uint64_t signal_ms;   /* from the first signal, if that comes during the scope: what undoes
                           * something begins after it, and is not hurried by it */
    uint64_t insisted_ms; /* from a second signal, or the scope's begin if that comes later */
};

/* For an answer that needs QEMU's monitor or the state of libvirtd. libvirt waits 30 s for another
 * job on the guest before it refuses. At the end of a save or of a snapshot of memory it answers
 * nothing about the guest until the image is flushed: minutes, on a large host. */
extern const struct bounded_times bounded_usual;
/* For an answer that needs storage or starts a program: storage that hangs may come back within ten
 * minutes, and a signal leaves it more time. */
extern const struct bounded_times bounded_slow;
/* For a guest that must be put back while other guests wait. */
extern const struct bounded_times bounded_brief;
/* For reading or flushing a file of that many bytes. No first signal ends it. */
struct bounded_times bounded_reading(uint64_t bytes);
/* The same for the file as it is now. */
struct bounded_times bounded_file(const char *path);

enum bounded_reason { BOUNDED_GOES_ON, BOUNDED_LIMIT, BOUNDED_SIGNAL };

/* One scope. Its fields are private. */
struct bounded {
    struct bounded *outer; /* of the same thread */
    struct bounded *next;  /* in the list of all */
    struct bounded **link; /* what points to it there */
    struct bounded_times times;
    uint64_t begin_ms;
    uint64_t signal_ms;   /* when a signal was seen first; 0: none, or it came before the scope */
    uint64_t insisted_ms; /* the same for a second one */
    bool undoing;         /* a signal had come before the scope, or is deferred */
    enum bounded_reason reason;
};

/* From here to the end of the scope. Scopes may be nested: the first to end ends the calls. */
#define BOUNDED_CALLS(times)                                                                       \
    struct bounded bounded_scope __attribute__((cleanup(bounded_end), unused));                    \
    bounded_begin(&bounded_scope, times)

void bounded_begin(struct bounded *bounded, const struct bounded_times *times);
void bounded_end(struct bounded *bounded);
/* Why the calls of this thread's scopes were ended, and after how long the scope was. */
enum bounded_reason bounded_ended(uint64_t *ret_after_ms);

/* Starts and stops watching the scopes: call them around the use of connections. Counted; any thread
 * may call them. */
int bounded_start(struct err *err);
void bounded_stop(void);

/* Around the opening of a connection: the sockets that it opens are those that are shut down. */
struct bounded_sockets {
    bool known; /* false: none is taken for the connection's */
    uint64_t *inodes;
    size_t count;
};
struct bounded_sockets bounded_before_open(void);
void bounded_after_open(struct bounded_sockets *before); /* frees what is in it */
