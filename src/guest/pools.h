/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libvirt's storage pools, which do not notice files that others make in their folders.
 */
#pragma once

#include "base/strings.h"
#include "guest/hypervisor.h"

/* Lets libvirt look again into each active pool whose folder is one of these. Appends a text to
 * *failures for each pool that could not be refreshed; a driver without storage pools is not a
 * failure. */
void pools_refresh(struct hypervisor *hypervisor, const struct strings *folders,
                   struct strings *failures);
