/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The frames of an image that are on their way: the source of its chunks adds one for each chunk that
 * a child is to have, in the order of the image; the sink, in another thread, takes them off in the
 * same order.
 */
#pragma once

#include "base/digest.h"
#include "repository/chunk_plan.h"

struct frame_in_work {
    struct frame_in_work *next; /* of the queue */
    uint64_t chunk;
    uint32_t raw_len;
    uint32_t count;              /* of blocks */
    uint8_t blocks[PLAN_BLOCKS]; /* which of the chunk */
    struct id ids[PLAN_BLOCKS];
    uint8_t digest[DIGEST_SIZE];
};

_Static_assert(PLAN_BLOCKS <= UINT8_MAX, "a chunk's blocks have numbers of a byte");

struct frame_queue;

struct frame_queue *frame_queue_new(void);
/* Frees its frames, too. Accepts NULL. */
void frame_queue_free(struct frame_queue *queue);

/* Takes ownership. */
void frame_queue_add(struct frame_queue *queue, struct frame_in_work *frame);
/* The first one, which the caller frees; NULL if the queue is empty. */
struct frame_in_work *frame_queue_take(struct frame_queue *queue);
/* The frame of a chunk, borrowed until it is taken; NULL if the chunk has no frame. */
const struct frame_in_work *frame_queue_find(struct frame_queue *queue, uint64_t chunk);
