/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where libvirt keeps things on this host, as far as it says.
 */
#pragma once

#include "base/err.h"
#include "base/strings.h"
#include "guest/hypervisor.h"

struct host_places {
    char *state;              /* libvirt's folder for what belongs to its guests: channel/ ... */
    char *nvram;              /* where it makes NVRAM files */
    struct strings emulators; /* from libvirt's capabilities */
    struct strings pools;     /* folders of the storage pools of type dir */
};

/* What a driver does not say is left empty. The caller frees with host_places_clear. */
void host_places_read(struct hypervisor *hypervisor, struct host_places *ret);
/* The same for the driver of this URI, without a connection: only the folders. */
void host_places_guess(const char *uri, struct host_places *ret);
void host_places_clear(struct host_places *places);
#define CLEANUP_HOST_PLACES CLEANUP(host_places_clear)
