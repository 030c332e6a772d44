/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the pool has begun and has not finished with, in id order: chunks that
 * children work on, results that wait for their turn, runs of zeros. Results
 * fetched before their turn lie in slots; the number of slots bounds the memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/err.h"

enum item_state {
    ITEM_WAITING, /* has failed once, to be given to another child */
    ITEM_WORKING, /* a child has it */
    ITEM_HELD,    /* the result lies in the child's output area */
    ITEM_KEPT,    /* the result lies in a slot */
    ITEM_PUT,     /* the sink has it, but not yet all that come before it */
    ITEM_ZEROS,   /* a run of zero chunks that no child is needed for */
};

#define WINDOW_NO_SLOT SIZE_MAX

struct item {
    uint64_t id;
    uint64_t count; /* of chunks: 1, but for ITEM_ZEROS */
    enum item_state state;
    bool zero; /* known to be all zeros, but a child makes its result */
    unsigned failures;
    size_t input_len; /* of what the child was given */
    size_t worker;    /* who has it, or (ITEM_WAITING) who has failed */
    bool renewed;     /* ITEM_WAITING: that worker has a new child since */
    size_t slot;      /* kept for it, or WINDOW_NO_SLOT */
    size_t len;       /* ITEM_KEPT: of the result in the slot */
    uint8_t sha256[DIGEST_SIZE];
};

struct window {
    struct item *items;
    size_t count;
    size_t cap;
    uint8_t **slots;
    bool *taken;
    size_t slot_count;
};

/* Room for so many children and slots of slot_size bytes each, which take
 * memory when they are first used. */
int window_init(struct window *window, size_t children, size_t slots, size_t slot_size,
                struct err *err);
void window_clear(struct window *window);

/* True if nothing can be added now. */
bool window_full(const struct window *window);
/* A new last item, its count 1. Items move when others are added or removed. */
struct item *window_add(struct window *window, uint64_t id, enum item_state state);
/* Adds zero chunk id, to the run at the end if there is one. */
void window_add_zero(struct window *window, uint64_t id);
void window_remove(struct window *window, struct item *item);
bool window_is_first(const struct window *window, const struct item *item);
/* The item that this worker has, or NULL. */
struct item *window_of_worker(struct window *window, size_t worker);

/* Reserves a slot for the item; false if all are taken. */
bool window_take_slot(struct window *window, struct item *item);
void window_free_slot(struct window *window, struct item *item);
