/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What was stored of one guest so far, and the events that report it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ops/events/report.h"
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

struct tally_image {
    const char *what; /* the target of a disk, or "memory" */
    uint64_t usage;   /* room that it takes */
    uint64_t read;    /* bytes of it that were read */
    bool increment;   /* only what was written since the newest point was to be read */
};

/* Counts an image that is stored, and reports it (EVENT_IMAGE_STORED). */
void tally_stored(struct tally *tally, const struct manifest_stored *stored,
                  const struct tally_image *image);
/* Counts the small files, too (NVRAM and such). EVENT_BACKED_UP. */
void tally_done(struct tally *tally, const struct manifest *manifest);
