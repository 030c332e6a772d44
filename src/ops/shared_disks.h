/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Disks that a guest shares with others. While another running guest writes to such a
 * disk it can't be fixed at one instant: QEMU refuses to, in the middle of libvirt's
 * transaction, and libvirt 9.0 crashes on that. What is read from it directly would be
 * of no instant either.
 */
#pragma once

#include "base/err.h"
#include "guest/guest.h"
#include "ops/source.h"

/* Unsupported, with the disk's and the other guest's names, if a <shareable/> disk of
 * the source is open for writing in another guest that runs or is paused. Asks libvirt
 * about other guests only if there is a shareable disk. */
int shared_disks_check(struct hypervisor *hypervisor, const struct guest *guest,
                       const struct source *source, struct err *err);
