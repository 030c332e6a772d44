/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Internal to this folder: what a server has said about a part of an image, as adjacent extents.
 * Anything it says about bytes beyond the end of the image is ignored. Does not depend on libnbd.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "disk/part.h"

struct extent;

struct extent_map {         /* zero-initialised: empty */
    uint64_t start;         /* the extents cover [start, end of the last one) */
    uint64_t limit;         /* the size of the image: no extent goes beyond */
    struct extent *extents; /* owned */
    size_t count;
    size_t last; /* where the last query was answered */
};

/* Forgets everything; extents added from now on begin at `start`, which is below `limit`. */
void extent_map_begin(struct extent_map *map, uint64_t start, uint64_t limit);
/* Adds the next extent, of any length. Adjacent ones of the same kind are merged. */
void extent_map_add(struct extent_map *map, uint64_t len, enum disk_part_kind kind);
/* What is at offset, and for how many bytes from there; false if the map does not say. */
bool extent_map_find(struct extent_map *map, uint64_t offset, struct disk_part *ret);
void extent_map_clear(struct extent_map *map);
