/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The sizes of a backup in an archive, as its manifest and its files tell them.
 */
#pragma once

#include "archive/archive.h"
#include "ops/sizes.h"

/* Of one file of a backup; a file that is missing takes nothing. */
struct sizes backup_sizes_of(const struct archive_backup *backup,
                             const struct manifest_stored *stored);
/* Raw bytes of its disks and memory; 0 if the sum does not fit. */
uint64_t backup_sizes_images(const struct archive_backup *backup);
/* The same of a guest's backup that is not open; 0 if it cannot be opened. */
uint64_t backup_sizes_expected(struct archive_reader *archive, const char *guest);
/* Of all files of a backup but its manifest. */
struct sizes backup_sizes_all(const struct archive_backup *backup);
