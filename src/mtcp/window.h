/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Everything that the pool has begun but not finished, in id order: chunks that are in an area of
 * a child (mtcp/worker.h), results that wait for their turn there, runs of chunks that are known.
 * The areas bound the memory: a chunk has one from when it is read until its result is put.
 *
 * An item's way, and who moves it on:
 *
 *   nothing -> LOADED     feed.c: its input is in the next area of a child
 *   nothing -> KNOWN      feed.c: no child is needed
 *   LOADED  -> WORKING    feed.c: the child can take it now
 *   WORKING -> READY      deliver.c: the child has sent a result that is this chunk's
 *   WORKING -> WAITING    pool.c: the child has failed with it; the second time the run fails
 *   LOADED  -> WAITING    feed.c: its area is needed for a chunk that has failed
 *   LOADED, READY -> WAITING
 *                         pool.c: the child has died, and all that was in its areas with it
 *   WAITING -> WORKING    feed.c: read again, for the child that worker_to_retry chooses
 *   READY, KNOWN -> PUTTING -> PUT -> removed
 *                         deliver.c: in id order if the sink is ordered; the last step always
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/err.h"
#include "codec/chunks.h"
#include "mtcp/worker.h"

enum item_state {
    ITEM_WAITING, /* to be read again */
    ITEM_LOADED,  /* read for a child that does not have it yet */
    ITEM_WORKING, /* a child has it */
    ITEM_READY,   /* its result has come */
    ITEM_KNOWN,   /* a run of chunks that no child is needed for: zeros, or the same as before */
    ITEM_PUTTING, /* the putter has it */
    ITEM_PUT,     /* the sink has it, but not yet all that come before it */
};

struct item {
    uint64_t id;
    uint64_t count; /* of chunks: 1, except for runs */
    enum item_state state;
    enum chunk_kind kind;   /* ZERO, and not ITEM_KNOWN: a child makes the result of such chunks */
    const uint8_t *digests; /* SAME: of all chunks of the run, or NULL */
    unsigned failures;
    uint32_t raw_len;         /* of the chunk as it was read; not if ITEM_KNOWN */
    size_t input_len;         /* of what the child is given */
    struct worker_area *area; /* that it is in, or NULL */
    size_t worker;            /* whose area that is, or (ITEM_WAITING) was */
    bool renewed;             /* ITEM_WAITING: that worker is to have it, not another */
    uint8_t digest[DIGEST_SIZE];
    uint8_t *block_digests; /* owned; NULL: not wanted, or not known yet */
    uint8_t *leaf_digests;  /* in the same memory, if the chunk was decoded */
};

struct window {
    struct item *items;
    size_t count;
    size_t cap;
};

/* For `children` children. */
void window_init(struct window *window, size_t children);
void window_clear(struct window *window);

/* True if nothing can be added now. */
bool window_full(const struct window *window);
/* A new last item, its count 1. Items move when others are added or removed. */
struct item *window_add(struct window *window, uint64_t id, enum item_state state);
/* The most chunks in a run: bounds what is done at a stretch. */
#define WINDOW_RUN_MAX 4096
/* Adds at least one of the known chunks from id on, which are all of one length, to the run at the
 * end if that is of the same kind; returns how many. */
uint64_t window_add_known(struct window *window, uint64_t id, const struct chunk_run *known);
void window_remove(struct window *window, struct item *item);
bool window_is_putting(const struct window *window);
/* The item of this id (of a run, its first); it must be there. */
struct item *window_find(struct window *window, uint64_t id);
/* The item that this worker has, or NULL. */
struct item *window_of_worker(struct window *window, size_t worker);
/* The item that is in this area, or NULL. */
struct item *window_in_area(struct window *window, const struct worker_area *area);

/* Puts the item into a free area of this worker. */
void window_take_area(struct item *item, size_t worker, struct worker_area *area);
/* Takes it out again, if it is in one. */
void window_free_area(struct item *item);
