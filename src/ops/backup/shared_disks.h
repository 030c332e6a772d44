/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Disks that a guest shares with others. While another running guest writes to such a disk it
 * cannot be fixed at one instant: QEMU refuses in the middle of libvirt's transaction, and libvirt
 * 9.0 crashes on that. Reading it directly would not give the state of one instant either.
 */
#pragma once

#include "base/err.h"
#include "guest/guest.h"
#include "ops/backup/source.h"

/* Unsupported, naming the disk and the other guest, if a <shareable/> disk of the source is open
 * for writing in another running or paused guest. Asks libvirt about other guests only if there is
 * a shareable disk. */
int shared_disks_check(struct hypervisor *hypervisor, const struct guest *guest,
                       const struct source *source, struct err *err);
