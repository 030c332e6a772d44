/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The memory of an active guest at one instant, at which the guest stays stopped,
 * so that its disks can be fixed at the same one (guest/backup_job.h); then
 * guest_resume. No disk gets an overlay.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "guest/guest.h"

struct guest_snapshot {
    const char *path;    /* libvirt makes it, a save image; no file may be there */
    bool live;           /* the guest runs while most of its memory is copied; else it is stopped
                       * before */
    unsigned max_passes; /* live: passes over the memory after which the guest is stopped so that
                          * the copy ends; 0: a default. Also after 2 x its memory was copied. */
};
/* Returns with the guest stopped (a paused one stays paused) and the image
 * complete. After a failure, or a signal, the guest is as it was and there is no
 * image; libvirt lost meanwhile is waited for (30 s). While another job holds the
 * guest, libvirt waits for it up to 30 s, then: busy; that other job is never
 * touched. A guest that can't be saved: unsupported, with libvirt's reason.
 * *ret_forced: it was to be live and was stopped to end the copy. */
int guest_snapshot_memory(struct guest *guest, const struct guest_snapshot *snapshot,
                          bool *ret_forced, struct err *err);
