/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Everything that the pool has begun but not finished, in id order: chunks that children
 * work on, results that wait for their turn, runs of chunks that are known. Results that were fetched
 * early are kept in slots, whose number bounds the memory.
 *
 * An item's way, and who moves it on:
 *
 *   nothing -> LOADED     feed.c: its input is in a child's input area
 *   nothing -> KNOWN      feed.c: no child is needed
 *   LOADED  -> WORKING    feed.c: the child has room for it now
 *   WORKING -> READY      deliver.c: the child has sent a result that is this chunk's
 *   WORKING -> WAITING    pool.c: the child has failed with it; the second time the run fails
 *   LOADED  -> WAITING    feed.c: its child has died, or is needed for a chunk that has failed
 *   READY   -> WAITING    pool.c: the child has died, and the result in its output area with it
 *   WAITING -> WORKING    feed.c: read again, for the child that next_worker chooses
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

enum item_state {
    ITEM_WAITING, /* to be read again: has failed once, or was loaded for a child that died */
    ITEM_LOADED,  /* in the input area of a child that still has another chunk */
    ITEM_WORKING, /* a child has it */
    ITEM_READY,   /* the result is in the child's output area (`held`) or in a slot */
    ITEM_KNOWN,   /* a run of chunks that no child is needed for: zeros, or the same as before */
    ITEM_PUTTING, /* the putter has it */
    ITEM_PUT,     /* the sink has it, but not yet all that come before it */
};

#define WINDOW_NO_SLOT SIZE_MAX

struct item {
    uint64_t id;
    uint64_t count; /* of chunks: 1, except for runs */
    enum item_state state;
    enum chunk_kind kind;   /* ZERO, and not ITEM_KNOWN: a child makes the result of such chunks */
    const uint8_t *digests; /* SAME: of all chunks of the run */
    unsigned failures;
    uint32_t raw_len; /* of the chunk as it was read; not if ITEM_KNOWN */
    size_t input_len; /* of what the child was given */
    size_t worker;    /* that has it, is to have it, or (ITEM_WAITING) has failed */
    bool renewed;     /* ITEM_WAITING: that worker has got a new child since */
    bool held;        /* the result is in the output area of `worker` */
    size_t slot;      /* kept for it, or WINDOW_NO_SLOT */
    size_t len;       /* of the result in the slot */
    uint8_t digest[DIGEST_SIZE];
    uint8_t *block_digests; /* owned; NULL: not wanted, or not known yet */
};

struct window {
    struct item *items;
    size_t count;
    size_t cap;
    uint8_t **slots;
    bool *taken;
    size_t slot_count;
};

/* Room for `children` children and `slots` slots of slot_size bytes each; a slot takes memory
 * when it is first used. */
int window_init(struct window *window, size_t children, size_t slots, size_t slot_size,
                struct err *err);
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
/* The first item that has not been given to the putter, NULL if all have. */
struct item *window_next(struct window *window);
bool window_is_putting(const struct window *window);
/* The item of this id (of a run, its first); it must be there. */
struct item *window_find(struct window *window, uint64_t id);
/* The item that this worker has, or NULL. */
struct item *window_of_worker(struct window *window, size_t worker);

/* The item that is loaded for this worker, or NULL. */
struct item *window_loaded_for(struct window *window, size_t worker);

/* Reserves a slot for the item; false if all are taken. */
bool window_take_slot(struct window *window, struct item *item);
void window_free_slot(struct window *window, struct item *item);
