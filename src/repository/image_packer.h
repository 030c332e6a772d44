/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One image on its way into a point: a source that wraps that of the disk (or of the memory), and a
 * sink for the results. The source reads and hashes the whole image, looks each block up among the
 * known ones, and gives the children only what is to be stored (repository/chunk_plan.h); chunks of
 * which nothing is are SAME. Of an increment it reads only what is not the same, and takes the rest over
 * from the base (repository/taken_over.h). The sink makes the frames. It is ordered: so the blocks of an image lie
 * in packs as they do in the image, and its map is short.
 *
 * A long backup may change its session in the middle of an image (repository/point_writer.h). The sink
 * pauses the source for that: whatever that has looked up by then is safe, because it is in the map.
 *
 * What a child has compressed is compared, by the digests of its blocks, with what was looked up.
 */
#pragma once

#include "codec/chunks.h"
#include "codec/codec.h"
#include "record/manifest.h"
#include "repository/known.h"
#include "repository/packer.h"
#include "repository/stored_point.h"

/* What a frame is made of, and so the chunk size of the image's source and of the pool. */
uint64_t image_packer_chunk_size(enum codec_type codec);
struct image_packer;

struct image_input {
    const struct chunk_source *source; /* borrowed */
    enum codec_type codec;             /* of the children, who must give digests of blocks */
    const uint8_t *id_salt;            /* borrowed: the key of the blocks' ids */
    struct known *known;               /* borrowed, as all below */
    struct packer *packer;
    /* The image as the base has it, and the packs of its point: they are the first in `known`, in
     * their order. NULL: it is not there. */
    const struct stored_point *base;
    const struct stored_image *base_image;
    /* The first so many blocks of the image were read for a backup that was not completed: to come by
     * them again costs nothing of a limit of the rate, if they are known. Else that backup would
     * come no further tonight. */
    uint64_t passed;
};

/* Images of one session are written one after the other. Refused (internal): a source with another
 * chunk size, or one that gathers; an increment of an image that the base does not have, or has in another
 * size. */
int image_packer_new(const struct image_input *input, struct image_packer **ret, struct err *err);
void image_packer_free(struct image_packer *image); /* accepts NULL */
DEFINE_CLEANUP(struct image_packer *, image_packer_freep, image_packer_free)

/* Both are used in one run of a pool. */
struct chunk_source image_packer_source(struct image_packer *image);
struct chunk_sink image_packer_sink(struct image_packer *image);

/* For the sink, in its put: between these two no block is looked up. */
void image_packer_pause(struct image_packer *image);
void image_packer_go_on(struct image_packer *image);
/* Paused, or after the run: the map of what is known or in a pack so far, appended. */
void image_packer_map_so_far(const struct image_packer *image, struct buf *ret);
uint64_t image_packer_size(const struct image_packer *image);

struct image_written {
    struct manifest_image
        image;      /* its content digest is over chunks of 1 MiB; an increment has none */
    struct buf map; /* owned: see repository/format/map.h; packs are named by their numbers in
                     * `known` */
    uint64_t new_blocks;
    uint64_t known_blocks;
    uint64_t stored; /* bytes of frames */
};
/* When the run is over. Refused (internal) unless the whole image was read and put. */
int image_packer_finish(struct image_packer *image, struct image_written *ret, struct err *err);
