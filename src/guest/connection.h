/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the files of this folder share, and its only header that exposes libvirt.
 * hypervisor_reconnect may replace a connection at any time, so use the connection, and a guest's
 * domain, only through your own reference.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "base/cleanup.h"
#include "guest/guest.h"
#include "guest/hypervisor.h"
#include "guest/thaw.h"

struct definition_disks;
struct guest_watch;

struct hypervisor {
    char *uri; /* these three never change */
    char *host;
    char *host_uuid;      /* NULL: libvirt does not know it */
    bool monitors_spared; /* set before anything is asked of its guests */
    atomic_ulong version;
    pthread_mutex_t reconnecting; /* held by the thread that is reconnecting */
    pthread_mutex_t lock;         /* guards connection; only held briefly */
    virConnectPtr connection;
    pthread_mutex_t watches_lock; /* guards the list. Event callbacks take it, so never hold it
                                   * while unregistering a callback from a live connection */
    struct guest_watch *watches;
};

struct guest {
    struct hypervisor *hypervisor;
    char *name;
    char uuid[VIR_UUID_STRING_BUFLEN];
    bool stuck;           /* see guest_is_stuck */
    bool handed_over;     /* we have copied its memory, and not resumed it since: QEMU may have
                           * handed its block nodes over */
    unsigned qemu_major;  /* the version that is installed; known if it was handed over, else 0 */
    pthread_mutex_t lock; /* guards what is below */
    virDomainPtr domain;  /* holds a reference to its connection, which may be an old one */
    struct {
        enum freeze_outcome outcome;
        uint64_t limit_ms; /* units_now_ms by when its agent should have answered */
    } freeze;
};

/* Opens a connection and counts it as a user of the event loop. timeout_ms 0: waits five minutes,
 * and a signal ends the wait; otherwise only a second signal does. */
int connection_open(const char *uri, uint64_t timeout_ms, virConnectPtr *ret, struct err *err);
/* Closes it and leaves the event loop. Accepts NULL. */
void connection_close(virConnectPtr connection);

/* A reference to the current connection. Never fails. */
virConnectPtr connection_of(struct hypervisor *hypervisor);
/* A reference to the guest's domain on the current connection. */
int connection_domain(struct guest *guest, virDomainPtr *ret, struct err *err);
/* The disks of the guest as it is now: of one that runs, in its live definition. */
int connection_read_disks(virDomainPtr domain, struct definition_disks *ret, struct err *err);
/* Reconnects if the connection is dead. */
int connection_revive(struct hypervisor *hypervisor, struct err *err);

/* Refused (unsupported): a path that cannot be passed to libvirt within XML, which is always UTF-8;
 * libxml2 would write a different one. */
int connection_check_path(const char *path, struct err *err);

/* Takes ownership of the domain. */
struct guest *guest_new(struct hypervisor *hypervisor, virDomainPtr domain);

static inline void connection_free_domain(virDomainPtr *domain)
{
    if (*domain)
        virDomainFree(*domain);
}
#define CLEANUP_DOMAIN CLEANUP(connection_free_domain)

static inline void connection_unref(virConnectPtr *connection)
{
    if (*connection)
        virConnectClose(*connection);
}
#define CLEANUP_CONNECTION CLEANUP(connection_unref)

static inline void connection_free_checkpoint(virDomainCheckpointPtr *checkpoint)
{
    if (*checkpoint)
        virDomainCheckpointFree(*checkpoint);
}
#define CLEANUP_CHECKPOINT CLEANUP(connection_free_checkpoint)
