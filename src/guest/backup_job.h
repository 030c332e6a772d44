/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A pull-mode backup job: libvirt fixes the state of a guest's disks at one
 * instant and QEMU serves it over NBD, while the guest goes on. It outlives this
 * process, its connection and libvirtd, and blocks every other job of the guest
 * until it is ended. Way back: the NBD clients are closed first, then
 * guest_backup_end, then guest_thaw or guest_resume.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "guest/guest.h"

struct guest_backup_disk {
    const char *target;
    const char *scratch; /* libvirt makes and removes this file; NULL: the disk is not in the job */
};
struct guest_backup {
    const char *socket; /* unix socket that QEMU listens on; exports are named like the targets */
    const struct guest_backup_disk *disks; /* every disk of the guest must be listed */
    size_t disk_count;
};
/* Fixes the disks' state. Re-activates the block nodes where a memory snapshot has
 * left them inactive (QEMU >= 10). A guest that has another job: busy, at once. A
 * failure leaves no job; libvirt lost meanwhile is waited for (30 s). */
int guest_backup_begin(struct guest *guest, const struct guest_backup *backup, struct err *err);
/* Ends the job whose socket this is and waits until it is gone, and its scratch
 * files with it (10 s at most, then they are left). Nothing to do, and no error, when there
 * is no such job any more; a job of somebody else is left alone. All NBD clients
 * must be closed before: QEMU may hang for ever else. Stops for no signal. */
int guest_backup_end(struct guest *guest, const char *socket, struct err *err);

/* What keeps the guest busy now. */
enum guest_job {
    GUEST_JOB_NONE,
    GUEST_JOB_BACKUP,
    GUEST_JOB_OTHER,
    GUEST_JOB_NO_DATA, /* a backup job that libvirt is just beginning; or one that was lost when
                          libvirtd ended, which stays so until the guest ends and blocks other jobs,
                          while nothing works on the guest and it can be resumed */
};
/* Does not block. *ret_socket (NULL: not wanted; the caller frees): of a backup
 * job, NULL if it has none. */
int guest_get_job(struct guest *guest, enum guest_job *ret, char **ret_socket, struct err *err);
/* Waits until no job but a backup is there; busy after timeout_ms, cancelled after a
 * second signal. One without data is waited for for 30 s at most, and then passed over. */
int guest_wait_for_job(struct guest *guest, uint64_t timeout_ms, struct err *err);
