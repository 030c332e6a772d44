/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Removes a backup from an archive: all of it or nothing, even if the machine stops in the middle
 * (archive/exchange.h).
 */
#pragma once

#include <stdint.h>

#include "archive/backup.h"
#include "archive/writer.h"
#include "base/err.h"

/* Removes this backup of the guest. Busy if the archive has another one by now, or if another
 * writer of the guest is still at work after wait_ms (LOCK_FILE_FOREVER: no limit). Files that
 * another guest's manifest names stay. */
int removal_run(struct archive_writer *archive, const struct archive_backup *backup,
                uint64_t wait_ms, struct err *err);
