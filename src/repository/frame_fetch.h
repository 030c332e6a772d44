/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Gets the stored bytes of frames out of packs, ahead of their use. Frames are asked for in batches;
 * those of a batch that are near each other in a pack come with one request, with what lies between
 * them. Several requests are on their way at a time, each in a thread of its own; the order of the
 * batches is that in which the bytes are expected.
 *
 * As long as the store has nearly all frames in this host's memory, nothing is asked for ahead: they
 * come from there, without the copy and the threads that cost more than the reading itself.
 */
#pragma once

#include "repository/format/pack_index.h"
#include "repository/stored_point.h"

/* A request is worth the bytes that come in the time that it takes. */
#define FRAME_FETCH_GAP ((uint32_t)512 << 10)
/* Of one request, unless a single frame is longer. */
#define FRAME_FETCH_MOST ((uint32_t)4 << 20)
/* At a time. */
#define FRAME_FETCH_REQUESTS 8u
/* Bytes that have come, or are asked for, and have not been taken; one request more may be under
 * way if its bytes are waited for. The bound is doubled, up to a limit, whenever bytes have not come
 * in time: a store that answers at once costs little memory, which itself takes time to get. */
#define FRAME_FETCH_AHEAD_FIRST ((size_t)8 << 20)
#define FRAME_FETCH_AHEAD ((size_t)64 << 20)

struct frame_fetch;

/* Both are borrowed. */
struct frame_fetch *frame_fetch_new(const struct stored_scope *scope,
                                    const struct stored_point *point);
/* Waits for requests that are under way. Accepts NULL. */
void frame_fetch_free(struct frame_fetch *fetch);
DEFINE_CLEANUP(struct frame_fetch *, frame_fetch_freep, frame_fetch_free)

struct fetch_range;

/* A frame that is wanted. */
struct fetched_frame {
    uint32_t pack; /* its place */
    struct pack_frame frame;
    uint64_t wanted;           /* of its blocks; for the caller */
    struct fetch_range *range; /* set by frame_fetch_want; not the caller's to look into */
};

/* Asks for the bytes of these frames. Each is taken once, in whatever order. */
int frame_fetch_want(struct frame_fetch *fetch, struct fetched_frame *frames, size_t count,
                     struct err *err);
/* Puts the frame's bytes, frame.stored_len of them, at data; waits for them. A signal ends that. One
 * that was taken before is read again. */
int frame_fetch_take(struct frame_fetch *fetch, struct fetched_frame *frame, void *data,
                     struct err *err);
