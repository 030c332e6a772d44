/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What one guest's backup has stored so far, and the events that report it.
 */
#pragma once

#include <stdint.h>

#include "ops/report.h"
#include "ops/sizes.h"
#include "record/manifest.h"

struct backup_tally {
    const struct report *report;
    const char *guest;
    uint64_t started_ms;
    struct sizes sizes;
};

/* Counts an image that is stored, in so much room, and reports it (event "disk-done"). */
void backup_tally_stored(struct backup_tally *tally, const char *what,
                         const struct manifest_stored *stored, uint64_t usage);
/* Counts the small files, too (NVRAM and such). Event "guest-done". */
void backup_tally_done(struct backup_tally *tally, const struct manifest *manifest);

/* For programs: how the guest was captured ("live", "pause", "save", "offline", "none"), and
 * what holds its disks together ("memory", "shut-off", "frozen", "crash"). */
const char *backup_tally_method(enum manifest_consistency consistency);
const char *backup_tally_consistency(enum manifest_consistency consistency);
