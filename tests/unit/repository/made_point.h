/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A point in parts, each of which a test may change before the bytes are made of them.
 */
#pragma once

#include "repository/format/info.h"
#include "repository/format/map.h"
#include "repository/format/packs.h"
#include "repository/format/slot.h"

#define MADE_PACKS 8
#define MADE_IMAGES 4

struct made_image {
    uint32_t number;
    uint64_t size;
    struct map_run runs[8];
    unsigned run_count;
};

struct made_point {
    struct slot_id id;
    uint32_t flags;
    struct packs packs;
    struct pack_digest digests[MADE_PACKS];
    uint32_t digest_count;
    struct info info;
    struct made_image images[MADE_IMAGES];
    unsigned image_count;
    struct slot_added more[4]; /* other sections, behind MAP */
    unsigned more_count;
};

void made_point_clear(struct made_point *made);
#define CLEANUP_MADE_POINT CLEANUP(made_point_clear)

/* Of the guest 0202..., by the session 0303...: two packs of its own and one of another, the
 * disks vda and vdb, the memory, a manifest and NVRAM. */
struct made_point made_point_usual(void);
/* The bytes of the slot; the caller frees them. Sections after MAP: more. */
struct buf made_point_bytes(const struct made_point *made);
