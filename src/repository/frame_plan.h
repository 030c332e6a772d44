/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * In which order the frames of an image are decoded, and what is made of each: the image's blocks come
 * one after the other. A frame is decoded when the first of its blocks is due. If it does not go
 * into the image as it is, it is kept for those that follow, in one of FRAME_PLAN_SLOTS places, while
 * there is room; when there is not, the one that was not used for longest makes room. If it is
 * needed again after that, it is decoded again.
 *
 * The same steps come each time, so that several can follow one plan at their own pace, and know of each
 * other only how far they are. The first walk notes what of a frame is used while it is kept, so that
 * those that follow keep nothing else.
 */
#pragma once

#include "repository/pack_indexes.h"

#define FRAME_PLAN_SLOTS 1024u
/* Decoded bytes that are kept at the most. */
#define FRAME_PLAN_KEPT ((size_t)64 << 20)
/* No slot: the frame is used at once, and not kept. */
#define FRAME_PLAN_PASSING UINT32_MAX

/* What is noted, of as many frames that are kept as there is room for here: those after them are used
 * as a whole, as far as anybody knows. */
#define FRAME_PLAN_NOTED ((size_t)1 << 20)

struct frame_use {
    uint64_t later;  /* bit n: block n of the frame is in its second piece, or one after that */
    uint64_t pieces; /* after the first */
};

struct frame_uses {         /* zeroed at first */
    struct frame_use *list; /* owned; in the order in which the frames are decoded */
    size_t count;
    size_t cap;
    bool complete;
};

void frame_uses_clear(struct frame_uses *uses);

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
    /* FRAME_PLAN_DECODE. Bit n: block n of the frame will be in a piece before the frame is decoded again,
     * and in one after the first, which is the next step. What is not noted may be. */
    uint64_t wanted;
    uint64_t kept;
    bool last; /* FRAME_PLAN_PIECE: no other one comes before that, for certain */
    /* FRAME_PLAN_PIECE. Pieces ascend in the image; what lies between them is zeros. Each block has
     * the length that the image has there. */
    uint64_t block; /* of the image */
    uint32_t first; /* of the frame */
    uint32_t count;
};

struct frame_plan;

/* image: of that point. uses: of this image; it is complete when the first plan with it has come to its
 * end. All are borrowed. */
struct frame_plan *frame_plan_new(struct pack_indexes *indexes, const struct stored_point *point,
                                  const struct stored_image *image, struct frame_uses *uses);
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
