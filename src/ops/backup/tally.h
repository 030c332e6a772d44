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

/* Counts an image that is stored, in so much room, and reports it (EVENT_IMAGE_STORED). */
void backup_tally_stored(struct backup_tally *tally, const char *what,
                         const struct manifest_stored *stored, uint64_t usage);
/* Counts the small files, too (NVRAM and such). EVENT_BACKED_UP. */
void backup_tally_done(struct backup_tally *tally, const struct manifest *manifest);
