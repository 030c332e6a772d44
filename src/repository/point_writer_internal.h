/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the files of a point's writer share.
 */
#pragma once

#include "repository/image_packer.h"
#include "repository/known_packs.h"
#include "repository/point_maps.h"
#include "repository/point_writer.h"

struct point_writer {
    const struct repository *repository;
    struct session **session;
    struct point_options options;
    struct known_packs packs;
    struct packer *packer;
    struct image_packer *image; /* the one that is being written; NULL: none */
    struct chunk_sink sink;     /* of it */
    struct point_map *maps;     /* owned; of the images that were written, and then of that one */
    size_t map_count;           /* without that one */
    unsigned parts;
    uint32_t part_packs; /* that were closed before the session began, */
    uint64_t part_bytes; /* of so many bytes */
    bool failed;         /* a session could not be ended, or not go on */
};

/* point_writer.c: adds the sections up to MAP, which every point has, of the first map_count images. All packs
 * are put. The caller clears *ret_used. */
int point_writer_add_images(const struct point_writer *writer, size_t map_count, struct info *info,
                            struct slot_writer *slot, struct point_packs *ret_used,
                            struct err *err);
/* point_writer.c: ends the session in this point. */
int point_writer_fill_slot(const struct point_writer *writer, struct slot_writer *slot,
                           uint32_t flags, const struct info *info, struct err *err);
/* point_parts.c: the sink of an image; opaque is the writer. Changes the session if that is due. */
int point_writer_put(void *opaque, const struct chunk_output *output, struct err *err);
