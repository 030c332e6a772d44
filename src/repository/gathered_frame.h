/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A frame is made of those blocks of a chunk that are to be stored, gathered from wherever they lie in it.
 */
#pragma once

#include "repository/chunk_hasher.h"
#include "repository/frame_queue.h"

/* Of what the plan says of the chunk; its raw_len is set by whoever fills it. The caller frees. */
struct frame_in_work *gathered_frame_make(struct chunk_digest *digest, uint64_t id,
                                          const struct hashed_chunk *chunk,
                                          const struct chunk_plan *plan);
/* Puts the frame's blocks one after the other at `to`, which may be the chunk itself, of len bytes; returns
 * how many bytes they have. */
uint32_t gathered_frame_fill(const struct frame_in_work *frame, const uint8_t *chunk, uint32_t len,
                             uint8_t *to);
