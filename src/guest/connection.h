/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the files of this folder share, and the only header of it that shows
 * libvirt. A connection may be replaced at any time by hypervisor_reconnect: it,
 * and a guest's domain, are therefore used through references of one's own.
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

struct guest_watch;

struct hypervisor {
    char *uri; /* these three never change */
    char *host;
    char *host_uuid; /* NULL: libvirt does not know it */
    atomic_ulong version;
    pthread_mutex_t reconnecting; /* held by the one who connects again */
    pthread_mutex_t lock;         /* guards connection; held for moments only */
    virConnectPtr connection;
    pthread_mutex_t watches_lock; /* guards the list. Event callbacks take it: no callback is
                                   * unregistered from a whole connection while it is held */
    struct guest_watch *watches;
};

struct guest {
    struct hypervisor *hypervisor;
    char *name;
    char uuid[VIR_UUID_STRING_BUFLEN];
    pthread_mutex_t lock; /* guards what is below */
    virDomainPtr domain;  /* holds a reference to its connection, which may be an old one */
    struct {
        enum freeze_outcome outcome;
        uint64_t limit_ms; /* units_now_ms by when its agent should have answered */
    } freeze;
};

/* Opens a connection and counts it as a user of the event loop. timeout_ms 0: five
 * minutes, and a signal ends the wait; else a second one does. */
int connection_open(const char *uri, uint64_t timeout_ms, virConnectPtr *ret, struct err *err);
/* Closes it and leaves the event loop. Accepts NULL. */
void connection_close(virConnectPtr connection);

/* A reference to the current connection. Never fails. */
virConnectPtr connection_of(struct hypervisor *hypervisor);
/* A reference to the guest's domain on the current connection. */
int connection_domain(struct guest *guest, virDomainPtr *ret, struct err *err);
/* Connects again if the connection is dead. */
int connection_revive(struct hypervisor *hypervisor, struct err *err);

/* Refused (unsupported): a path that libvirt gets within XML, which carries UTF-8 only; libxml2
 * would write another one in its place. */
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
