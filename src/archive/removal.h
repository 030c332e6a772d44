/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Taking a backup out of an archive: all of it or nothing, whenever the machine
 * stops (archive/exchange.h).
 */
#pragma once

#include <stdint.h>

#include "archive/backup.h"
#include "archive/writer.h"
#include "base/err.h"

/* Removes the backup that the archive still has for this guest; busy if it has
 * another one by now, or if another writer of the guest is at work after wait_ms
 * (LOCK_FILE_FOREVER: for ever). Files that another guest's manifest names stay. */
int removal_run(struct archive_writer *archive, const struct archive_backup *backup,
                uint64_t wait_ms, struct err *err);
