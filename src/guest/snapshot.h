/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Captures the memory of an active guest at one instant and leaves the guest stopped, so that its
 * disks can be fixed at the same instant (guest/backup_job.h); guest_resume follows. No disk gets
 * an overlay.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "guest/guest.h"

struct guest_snapshot {
    const char *path; /* libvirt makes it, a save image; the file must not exist */
    bool live;        /* the guest runs while most of its memory is copied, and is stopped when the
                       * copy does not catch up; else it is stopped first */
};
/* Returns with the guest stopped (a paused one stays paused) and the image complete. After a
 * failure, or a signal, the guest is as it was before and there is no image; if libvirt is lost,
 * waits for it (30 s). If another job holds the guest, libvirt waits for it up to 30 s, then: busy;
 * that job is never touched. A guest that cannot be saved: unsupported, with libvirt's reason.
 * One that libvirt does not end is left to it, as by guest_save.
 * *ret_forced: the copy should have been live, but the guest was stopped to end it. */
int guest_snapshot_memory(struct guest *guest, const struct guest_snapshot *snapshot,
                          bool *ret_forced, struct err *err);
