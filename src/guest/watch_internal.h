/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A watch inside, and what the connection has to do for the watches on it.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <libvirt/libvirt.h>

#include "base/err.h"
#include "guest/watch.h"

struct hypervisor;

/* Locks, each taken before those that follow it: moving, calling, lock; the
 * hypervisor's watches_lock before calling. libvirt is called with none but moving
 * held, because it may run on_close of hypervisor.c in the thread that calls it. */
struct guest_watch {
    struct hypervisor *hypervisor;
    struct guest_watch *next; /* guarded by the hypervisor's watches_lock */
    char uuid[VIR_UUID_STRING_BUFLEN];
    atomic_int users; /* its owner, each callback of libvirt, a move; the last one frees */

    pthread_mutex_t moving;   /* guards what is registered where */
    virConnectPtr connection; /* a reference; NULL: nothing is registered */
    int lifecycle_id;
    int io_error_id;
    int qemu_id; /* -1: QEMU's own events can't be had */
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

/* The connection is lost. */
void watch_note_loss(struct hypervisor *hypervisor);
/* The hypervisor has this connection now: all watches go on there. */
void watch_move_all(struct hypervisor *hypervisor, virConnectPtr connection);

/* One user less. */
void watch_unref(void *watch);
/* Calls the owner's on_news; with neither calling nor lock held. */
void watch_tell(struct guest_watch *watch);
/* These note something, with `lock` held, and return true if it is new. */
bool watch_note(bool *flag);
bool watch_note_end(struct guest_watch *watch);
bool watch_note_start(struct guest_watch *watch);
/* With `moving` held: registers for the guest's events, where nothing is registered
 * yet; takes back what is registered, if anything. */
int watch_attach(struct guest_watch *watch, virConnectPtr connection, virDomainPtr domain,
                 struct err *err);
void watch_detach(struct guest_watch *watch);
