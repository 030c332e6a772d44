/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The sizes of a backup, as its manifest and its store tell them.
 */
#pragma once

#include "ops/points/points.h"
#include "ops/sizes.h"

/* Of one item of a backup; one that is missing takes nothing. */
struct sizes backup_sizes_of(const struct point *backup, const struct manifest_stored *stored);
/* Raw bytes of its disks and memory; 0 if the sum does not fit. */
uint64_t backup_sizes_images(const struct point *backup);
/* The same of a guest's backup that is not open; 0 if it cannot be opened. */
uint64_t backup_sizes_expected(struct points_store *store, const char *guest, const char *id);
/* Of all items of a backup. */
struct sizes backup_sizes_all(const struct point *backup);
