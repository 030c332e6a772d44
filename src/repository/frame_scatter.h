/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * From decoded frames to chunks of the image. Frames come in the order of a plan
 * (repository/frame_plan.h), with the digests of their blocks, which must have the ids of the pack's
 * index. The image's chunks, of FRAME_SCATTER_CHUNK bytes, go to a sink in order, each with its
 * digest: one that a frame is alone goes there as it is, others are put together. Their digests are made
 * of those of the leaves, which came with the frames: no byte is hashed twice.
 */
#pragma once

#include "codec/chunks.h"
#include "repository/frame_plan.h"

#define FRAME_SCATTER_CHUNK ((uint32_t)1 << 20)

struct frame_scatter;

struct frame_scatter_request {
    const struct stored_scope *scope; /* borrowed, like all of these */
    const struct stored_point *point;
    const struct stored_image *image;
    const uint8_t *id_salt; /* of the repository, DIGEST_SIZE bytes */
    struct pack_indexes *indexes;
    struct frame_uses *uses; /* complete */
};

/* sink: copied; gets chunks, runs of zeros if it takes them, and digests in order (chain). NULL, and
 * an error: there is no memory. */
struct frame_scatter *frame_scatter_new(const struct frame_scatter_request *request,
                                        const struct chunk_sink *sink, struct err *err);
void frame_scatter_free(struct frame_scatter *scatter); /* accepts NULL */
DEFINE_CLEANUP(struct frame_scatter *, frame_scatter_freep, frame_scatter_free)

/* Takes the next frame of the plan, decoded. Corrupt: a block does not have its id. */
int frame_scatter_put(struct frame_scatter *scatter, const struct chunk_output *output,
                      struct err *err);
/* Of an image that needs no frame: puts its zeros. Else it is done with the last frame, and this
 * checks that (internal). */
int frame_scatter_finish(struct frame_scatter *scatter, struct err *err);
