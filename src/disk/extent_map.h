/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Internal to this folder: what a server has said about a part of an image, in the
 * form of extents that lie one behind the other. What it says is not believed beyond
 * the end of the image. Knows no libnbd.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct extent;

struct extent_map {         /* a zeroed one is empty */
    uint64_t start;         /* the extents cover [start, end of the last one) */
    uint64_t limit;         /* the size of the image: no extent goes beyond */
    struct extent *extents; /* owned */
    size_t count;
    size_t last; /* where the last question was answered */
};

/* Forgets all; extents that are added begin at `start`, which is below `limit`. */
void extent_map_begin(struct extent_map *map, uint64_t start, uint64_t limit);
/* The next extent, of any length. Adjacent ones of one kind become one. */
void extent_map_add(struct extent_map *map, uint64_t len, bool zero);
/* What is at offset, and for how many bytes from there on, at least 1; false if the
 * map does not say. */
bool extent_map_find(struct extent_map *map, uint64_t offset, uint64_t *ret_len, bool *ret_zero);
void extent_map_clear(struct extent_map *map);
