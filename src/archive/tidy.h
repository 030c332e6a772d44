/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The locks of an archive's writers, and what dead writers have left. For this
 * folder's files only.
 *
 * A writer of a guest holds the guest's lock, a file in the archive; whatever bears
 * the guest's key while nobody holds that lock is a dead writer's.
 */
#pragma once

#include <stdint.h>

#include "archive/folder.h"
#include "base/err.h"
#include "base/lock_file.h"

/* Busy when another writer of that guest still has it after wait_ms. *ret is NULL, and
 * a warning says so, where the file system has no locks. */
int tidy_lock(const struct folder *folder, const char *domain, uint64_t wait_ms,
              struct lock_file **ret, struct err *err);

/* Finishes exchanges and removes temporary files of dead writers, but for scratch
 * files: one may be the only copy of a guest's memory, so a warning names it. What
 * can't be finished stays, and a warning says so: it is one guest's matter. */
int tidy_all(const struct folder *folder, struct err *err);

/* The same for one guest, whose lock is held: when it returns 0 no exchange of the
 * guest is open, and no temporary file of it is there. One that can't be finished
 * and has not begun is taken back: the former backup is whole. */
int tidy_guest(const struct folder *folder, const char *domain, struct err *err);
