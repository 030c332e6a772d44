/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The inside of a watch, and what the connection has to do for the watches on it.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <libvirt/libvirt.h>

#include "base/err.h"
#include "guest/watch.h"

struct hypervisor;

/* Locking order: moving, calling, lock; and the hypervisor's watches_lock before calling. While
 * libvirt is called only moving may be held, because libvirt may run on_close of hypervisor.c in
 * the calling thread. */
struct guest_watch {
    struct hypervisor *hypervisor;
    struct guest_watch *next; /* guarded by the hypervisor's watches_lock */
    char uuid[VIR_UUID_STRING_BUFLEN];
    atomic_int users; /* its owner, each libvirt callback, a move; the last one frees it */

    pthread_mutex_t moving;   /* guards what is registered and where */
    virConnectPtr connection; /* a reference; NULL: nothing is registered */
    int lifecycle_id;
    int io_error_id;
    int qemu_id; /* -1: QEMU's own events are not available */
    bool over;

    pthread_mutex_t calling; /* held during on_news */
    void (*on_news)(void *opaque);
    void *opaque;

    pthread_mutex_t lock; /* guards what is below */
    struct guest_watch_news news;
    uint64_t stop_came_ms; /* monotonic clock */
    bool by_arrival;       /* times are those of libvirt's events */
    bool active;
    unsigned id; /* of this run of the guest */
};

/* Call it when the connection is lost. */
void watch_note_loss(struct hypervisor *hypervisor);
/* Moves all watches to this new connection of the hypervisor. */
void watch_move_all(struct hypervisor *hypervisor, virConnectPtr connection);

/* Drops one user. */
void watch_unref(void *watch);
/* Calls the owner's on_news. Neither calling nor lock may be held. */
void watch_tell(struct guest_watch *watch);
/* These note an event, with `lock` held, and return true if it is new. */
bool watch_note(bool *flag);
bool watch_note_end(struct guest_watch *watch);
bool watch_note_start(struct guest_watch *watch);
/* Call these with `moving` held. watch_attach registers for the guest's events if nothing is
 * registered yet; watch_detach removes what is registered, if anything. */
int watch_attach(struct guest_watch *watch, virConnectPtr connection, virDomainPtr domain,
                 struct err *err);
void watch_detach(struct guest_watch *watch);
