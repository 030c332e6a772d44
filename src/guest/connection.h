/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the files of this folder share, and the only header of it that shows
 * libvirt.
 */
#pragma once

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "base/cleanup.h"
#include "guest/guest.h"
#include "guest/hypervisor.h"

struct hypervisor {
    virConnectPtr connection;
    char *uri;
    char *host;
    unsigned long version;
};

struct guest {
    virDomainPtr domain; /* holds a reference to the connection */
    char uuid[VIR_UUID_STRING_BUFLEN];
};

/* Takes ownership of the domain. */
struct guest *guest_new(virDomainPtr domain);

static inline void connection_free_domain(virDomainPtr *domain)
{
    if (*domain)
        virDomainFree(*domain);
}
#define CLEANUP_DOMAIN CLEANUP(connection_free_domain)
