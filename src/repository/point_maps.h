/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * From the maps as an image's writer makes them, in which packs have the numbers of the known blocks
 * (repository/known.h), to those of a point: which packs are used, in their order, and where the
 * blocks of the backup itself are, which have been counted through all packs of its sessions.
 */
#pragma once

#include "repository/format/map.h"
#include "repository/known_packs.h"
#include "repository/packer.h"

struct point_map {
    uint32_t number;  /* of the image */
    char *target;     /* owned: of the disk; NULL: the memory */
    uint64_t size;    /* of the image, bytes */
    struct buf bytes; /* owned */
};

struct point_maps {
    const struct point_map *maps;
    size_t count;
    const struct known_packs *known;
    const struct packer *packer; /* has finished */
};

struct point_packs {
    struct packs packs;          /* owned: those that are used */
    struct pack_digest *digests; /* owned; by place */
    uint64_t own_bytes;          /* of the backup's own packs among them */
    /* Of the numbers in the maps; owned. */
    uint32_t known_count; /* numbers below it are known packs, those from there on own blocks */
    uint32_t *places;     /* of known packs and then of own ones; POINT_PACK_UNUSED */
    uint64_t *own_first;  /* of each own pack, the number of its first block; and the end */
    uint32_t own_count;
    struct map_packs map_packs; /* by the numbers in the maps, to read them */
};
#define POINT_PACK_UNUSED UINT32_MAX

void point_packs_clear(struct point_packs *packs);
#define CLEANUP_POINT_PACKS CLEANUP(point_packs_clear)

/* What a map has of blocks that are known, and of the backup's own that are stored; appended. */
struct point_maps_stored {
    uint32_t known_packs;
    uint64_t own;    /* the first so many of the backup's blocks are stored, */
    uint64_t mapped; /* and so many are in maps */
};
void point_maps_cut(const struct buf *map, const struct point_maps_stored *stored, struct buf *ret);

/* Unsupported: the point would use too many packs. */
int point_maps_packs(const struct point_maps *maps, struct point_packs *ret, struct err *err);
/* The map as the point has it; the caller frees. */
int point_maps_write(const struct point_map *map, const struct point_packs *packs, struct buf *ret,
                     struct err *err);
