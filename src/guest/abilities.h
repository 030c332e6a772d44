/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What can be done with a guest while it runs, and where its private folder is.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "guest/guest.h"

struct guest_abilities {
    bool pull_backup;  /* libvirt and the hypervisor can make pull-mode backups */
    bool manual;       /* guest_snapshot_memory: libvirt >= 8.2 with QEMU */
    bool live_trusted; /* a memory image made while the guest runs is correct: KVM, or QEMU >= 9 */
    bool agent;        /* it has a guest agent channel, and that is connected */
};
int guest_get_abilities(struct guest *guest, struct guest_abilities *ret, struct err *err);

/* The folder that libvirt made for the current run of an active QEMU guest,
 * /var/lib/libvirt/qemu/domain-ID-NAME or the equivalent for a session's or an embedded driver:
 * QEMU may bind sockets there, nobody else can look in, and it is removed with the guest. The
 * caller frees. */
int guest_private_folder(struct guest *guest, char **ret, struct err *err);
