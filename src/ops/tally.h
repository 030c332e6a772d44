/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What was stored of one guest so far, and the events that report it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ops/report.h"
#include "ops/sizes.h"
#include "record/manifest.h"

struct tally {
    const struct report *report;
    const char *guest;
    char *point_id; /* owned by the backup; NULL: see points_set_id */
    uint64_t started_ms;
    struct sizes sizes;
    bool copied; /* from another store, not backed up */
};

/* Counts an image that is stored, in so much room, and reports it (EVENT_IMAGE_STORED). */
void tally_stored(struct tally *tally, const char *what, const struct manifest_stored *stored,
                  uint64_t usage);
/* Counts the small files, too (NVRAM and such). EVENT_BACKED_UP. */
void tally_done(struct tally *tally, const struct manifest *manifest);
