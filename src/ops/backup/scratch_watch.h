/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Watches a running guest's backup: a thread that checks the room for scratch files ten times a
 * second, and reacts at once to the guest's I/O errors. A full scratch file system would stop the
 * guest, so before that happens the thread gives the backup up: it cuts the NBD connection, ends
 * the job, and resumes a guest that was stopped by an I/O error in the meantime. It does this
 * itself, because the reading thread may be waiting for a slow target.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "disk/reader.h"
#include "guest/live.h"

struct scratch_watch;

struct scratch_watch_request {
    struct hypervisor *hypervisor;
    struct guest_watch *watch; /* borrowed until scratch_watch_end */
    const char *uuid;          /* borrows */
    const char *socket;        /* of the job; borrows */
    const char *folder;        /* of the scratch files; borrows until scratch_watch_begin returns */
    bool was_running;
};

/* The room that a backup of disks of this size must find in the folder, and the room below which
 * the backup is given up. */
uint64_t scratch_watch_needed(uint64_t image_size);

int scratch_watch_begin(const struct scratch_watch_request *request, struct scratch_watch **ret,
                        struct err *err);
/* The reader to cut off; NULL: none. Readers are opened and closed between lock and unlock, so that
 * QEMU has no half-made connection when the job ends: it would wait for that connection forever. */
void scratch_watch_lock(struct scratch_watch *watch);
void scratch_watch_set_reader(struct scratch_watch *watch, struct disk_reader *reader);
void scratch_watch_unlock(struct scratch_watch *watch);
/* -1 and the reason if the backup was given up. */
int scratch_watch_check(struct scratch_watch *watch, struct err *err);
void scratch_watch_end(struct scratch_watch *watch); /* accepts NULL */
