/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * An image of a point, read back. What children decode is frames, and a frame is seldom a chunk of the
 * image: after a month of backups each chunk has blocks from a few frames, in several packs.
 *
 * So the source's chunks are the frames that the image needs, in the order in which it needs them
 * first (repository/frame_plan.h); each is decoded once, unless it is needed again much later. Its
 * stored bytes are read ahead, in large requests (repository/frame_fetch.h). The sink that the
 * source's `unpack` gives makes chunks of the image of them (repository/frame_scatter.h): a frame
 * that is one chunk goes straight through, others are kept and scattered. Frames follow the same
 * plan at both ends, so nothing is handed over but their number.
 *
 *       pool ---- source: plan -> fetch -> stored frame n ----> child ----> sink: id of each block,
 *                                                                plan -> chunks of the image, in order
 *
 * Whoever runs the pool has it with children of source.chunk_size that tell the digests of blocks.
 */
#pragma once

#include "codec/chunks.h"
#include "codec/codec.h"
#include "repository/stored_point.h"

/* Size of the image's chunks as the sink of the image gets them, and of the content digest. */
#define RESTORED_IMAGE_CHUNK (UINT64_C(1) << 20)

struct restored_image;

/* All borrowed for as long as the image is open. */
struct restored_request {
    const struct stored_scope *scope;
    const uint8_t *id_salt; /* of the repository, DIGEST_SIZE bytes */
    const struct stored_point *point;
    uint32_t number; /* of a disk, or SLOT_MEMORY */
};

/* Reads the indexes of all packs that the image needs. Not found: the point has no such image, or a
 * pack is gone. Corrupt: a pack is not the one that the point was made with. Unsupported: its frames
 * are not all of one codec. */
int restored_image_open(const struct restored_request *request, struct restored_image **ret,
                        struct err *err);
void restored_image_close(struct restored_image *image); /* accepts NULL */
DEFINE_CLEANUP(struct restored_image *, restored_image_closep, restored_image_close)

/* What children have to decode. */
enum codec_type restored_image_codec(const struct restored_image *image);
/* May be used once. It has `unpack`; its check says whether all of the image was put. */
struct chunk_source restored_image_source(struct restored_image *image);
