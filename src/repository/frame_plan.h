/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * In which order the frames of an image are decoded, and what is made of each: the image's blocks come
 * one after the other. A frame is decoded when the first of its blocks is due. If it does not go
 * into the image as it is, it is kept for those that follow, in one of FRAME_PLAN_SLOTS places, while
 * there is room; when there is not, the one that was not used for longest makes room. If it is
 * needed again after that, it is decoded again.
 *
 * The same steps come each time, so that several can follow one plan at their own pace, and know of each
 * other only how far they are.
 */
#pragma once

#include "repository/pack_indexes.h"

#define FRAME_PLAN_SLOTS 1024u
/* Decoded bytes that are kept at the most. */
#define FRAME_PLAN_KEPT ((size_t)64 << 20)
/* No slot: the frame is used at once, and not kept. */
#define FRAME_PLAN_PASSING UINT32_MAX

enum frame_plan_kind {
    FRAME_PLAN_DECODE, /* the frame comes into its slot, whose contents nobody needs any more */
    FRAME_PLAN_PIECE,  /* blocks of a frame that is in its slot are those of the image */
};

struct frame_plan_step {
    enum frame_plan_kind kind;
    uint32_t pack; /* its place */
    uint32_t slot;
    struct pack_frame frame;
    const struct id *ids; /* of the frame's blocks; borrowed until the next step */
    /* FRAME_PLAN_PIECE. Pieces ascend in the image; what lies between them is zeros. Each block has
     * the length that the image has there. */
    uint64_t block; /* of the image */
    uint32_t first; /* of the frame */
    uint32_t count;
};

struct frame_plan;

/* image: of that point. All are borrowed. */
struct frame_plan *frame_plan_new(struct pack_indexes *indexes, const struct stored_point *point,
                                  const struct stored_image *image);
void frame_plan_free(struct frame_plan *plan); /* accepts NULL */
DEFINE_CLEANUP(struct frame_plan *, frame_plan_freep, frame_plan_free)

/* 1 and the next step; 0 at the end; -1: an index cannot be had, or (corrupt) a block has another
 * length than the image has there. */
int frame_plan_next(struct frame_plan *plan, struct frame_plan_step *ret, struct err *err);

/* The bytes of a frame before one of its blocks, or, of the block after the last, all. */
static inline uint32_t frame_plan_offset(const struct pack_frame *frame, uint32_t block)
{
    return block < frame->block_count ? block * LIMITS_BLOCK : frame->raw_len;
}
