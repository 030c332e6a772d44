/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A pull-mode backup job: libvirt fixes the state of a guest's disks at one instant and QEMU serves
 * it over NBD, while the guest runs on. The job outlives this process, its connection and libvirtd,
 * and blocks every other job of the guest until it is ended. To undo it: close the NBD clients
 * first, then guest_backup_end, then guest_thaw or guest_resume; a checkpoint that was made with it
 * stays until guest_checkpoint_delete.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "guest/guest.h"

/* The dirty bitmap that an export offers for a disk of which an increment is read. */
#define GUEST_BACKUP_BITMAP "virt-backup"

struct guest_backup_disk {
    const char *target;
    const char *scratch; /* libvirt makes and removes this file; NULL: the disk is not in the job */
    const char *since;   /* a checkpoint that was found or redefined for this disk
                          * (guest/checkpoint.h): the export offers a bitmap of what was written
                          * since then; NULL: none */
    bool record;         /* the new checkpoint records what is written to it from now on */
};
struct guest_backup {
    const char *socket; /* unix socket that QEMU listens on; exports have the names of the
                         * targets */
    const struct guest_backup_disk *disks; /* every disk of the guest must be listed */
    size_t disk_count;
    const char *checkpoint; /* made at the same instant; NULL: none. At least one disk is recorded,
                             * and the guest is safe with it (guest/checkpoint.h) */
};
/* Fixes the state of the disks. Reactivates block nodes that a copy of memory has left inactive, and
 * loads their bitmaps again. A failure leaves no job and no new checkpoint; if libvirt is lost, waits
 * for it (30 s).
 *   busy       the guest has another job: at once
 *   not found  one of the checkpoints since which is asked, or a sound bitmap of it: that disk can
 *              only be read whole
 * libvirt refuses the whole job if one of the disks to be recorded is transient, or not a qcow2 image
 * of version 3. */
int guest_backup_begin(struct guest *guest, const struct guest_backup *backup, struct err *err);
/* Ends the job that has this socket and waits until it and its scratch files are gone (at most 10
 * s, then the files are left behind). If the job no longer exists, does nothing and succeeds;
 * leaves other jobs alone. All NBD clients must be closed first: otherwise QEMU may hang forever.
 * Stops for no signal. */
int guest_backup_end(struct guest *guest, const char *socket, struct err *err);

/* What is keeping the guest busy. */
enum guest_job {
    GUEST_JOB_NONE,
    GUEST_JOB_BACKUP,
    GUEST_JOB_OTHER,
    GUEST_JOB_NO_DATA, /* a backup job that libvirt is just beginning, or one that was lost when
                        * libvirtd ended. The latter stays until the guest ends and blocks other
                        * jobs, but nothing works on the guest and it can be resumed */
};
/* Does not block. *ret_socket (NULL: not wanted; the caller frees) is the backup job's, NULL if it
 * has none. */
int guest_get_job(struct guest *guest, enum guest_job *ret, char **ret_socket, struct err *err);
/* Waits until there is no job except a backup; busy after timeout_ms, cancelled after a second
 * signal. A job without data is waited for at most 30 s, and then ignored. */
int guest_wait_for_job(struct guest *guest, uint64_t timeout_ms, struct err *err);
