/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The locks of an archive's writers, and what dead writers have left behind. Only for the files in
 * this directory.
 *
 * A writer of a guest holds the guest's lock, a file in the archive. Any file with the guest's key
 * that exists while nobody holds that lock belongs to a dead writer.
 */
#pragma once

#include <stdint.h>

#include "archive/folder.h"
#include "base/err.h"
#include "base/lock_file.h"

/* Busy if another writer of that guest still has it after wait_ms. If the file system has no locks,
 * *ret is NULL, and a warning says so. */
int tidy_lock(const struct folder *folder, const char *domain, uint64_t wait_ms,
              struct lock_file **ret, struct err *err);

/* Finishes exchanges and removes temporary files of dead writers. Scratch files stay, with a
 * warning that names them, because one may be the only copy of a guest's memory. What cannot be
 * finished also stays, with a warning: it concerns only one guest. */
int tidy_all(const struct folder *folder, struct err *err);

/* The same for one guest, whose lock must be held. When it returns 0, no exchange of the guest is
 * open and none of its temporary files is left. An exchange that cannot be finished and has not
 * begun is cancelled, and the previous backup is complete. */
int tidy_guest(const struct folder *folder, const char *domain, struct err *err);
