/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/gathered_frame.h"

#include <string.h>

struct frame_in_work *gathered_frame_make(struct chunk_digest *digest, uint64_t id,
                                          const struct hashed_chunk *chunk,
                                          const struct chunk_plan *plan)
{
    struct frame_in_work *frame = mem_alloc(sizeof(*frame));
    uint8_t leaves[sizeof(chunk->leaves)];
    size_t all = chunk_digest_leaf_count(chunk->len), count = 0;

    frame->chunk = id;
    frame->count = plan->frame_count;
    memcpy(frame->ids, plan->ids, plan->frame_count * sizeof(*frame->ids));
    for (uint32_t i = 0; i < plan->frame_count; i++) {
        size_t first = (size_t)plan->frame[i] * HASHER_BLOCK_LEAVES;
        size_t of_block = all - first < HASHER_BLOCK_LEAVES ? all - first : HASHER_BLOCK_LEAVES;
        frame->blocks[i] = (uint8_t)plan->frame[i];
        memcpy(leaves + count * DIGEST_SIZE, chunk->leaves + first * DIGEST_SIZE,
               of_block * DIGEST_SIZE);
        count += of_block;
    }
    chunk_digest_of_leaves(digest, leaves, count, frame->digest);
    return frame;
}

uint32_t gathered_frame_fill(const struct frame_in_work *frame, const uint8_t *chunk, uint32_t len,
                             uint8_t *to)
{
    uint32_t gathered = 0;

    for (uint32_t i = 0; i < frame->count; i++) {
        uint32_t offset = frame->blocks[i] * LIMITS_BLOCK;
        uint32_t size = len - offset < LIMITS_BLOCK ? len - offset : LIMITS_BLOCK;
        memmove(to + gathered, chunk + offset, size);
        gathered += size;
    }
    return gathered;
}
