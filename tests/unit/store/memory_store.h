/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A store in memory, for tests of what many writers do to each other and of what a store may suffer:
 * it asks before each step, and knows which changes are not durable yet.
 *
 * Any number of stores may be opened in one memory. A step is what others may come between: create,
 * replace and delete change the name, and are durable only after another step; a listing reads folder
 * by folder. Time passes with each step, and otherwise not.
 */
#pragma once

#include "store/store.h"

struct memory;

enum memory_step {
    MEMORY_CREATE,
    MEMORY_REPLACE,
    MEMORY_FLUSH, /* of what this call has created or replaced */
    MEMORY_GET,
    MEMORY_LIST, /* a folder */
    MEMORY_DELETE,
    MEMORY_SETTLE,
    MEMORY_NOW,
};

struct memory_hook {
    /* Called before the step, with nothing locked. If it fails the call does, and the step is not
     * made. */
    int (*call)(void *opaque, enum memory_step step, const char *name, struct err *err);
    void *opaque;
};

struct memory *memory_new(void);
/* Its stores are closed. Accepts NULL. */
void memory_free(struct memory *memory);
DEFINE_CLEANUP(struct memory *, memory_free_of, memory_free)
/* hook may be NULL. store_close leaves the memory alone. */
struct store *memory_open(struct memory *memory, const struct memory_hook *hook);

/* ---- what the test sees ---------------------------------------------------------------------- */

struct memory_bytes {
    const uint8_t *data; /* borrowed until the next step; NULL: there is no such object */
    size_t len;
};
struct memory_bytes memory_look(const struct memory *memory, const char *name);
/* The first object whose name comes after this one ("" to begin with); NULL at the end. Borrowed until
 * the next step. */
const char *memory_next(const struct memory *memory, const char *name);

/* Called after each change of an object. */
struct memory_watch {
    void (*call)(void *opaque, const char *name);
    void *opaque;
};
void memory_set_watch(struct memory *memory, const struct memory_watch *watch);

/* ---- what it suffers ------------------------------------------------------------------------- */

void memory_add_time(struct memory *memory, int64_t ms);
/* While set, creating and replacing fails for want of space. */
void memory_set_full(struct memory *memory, bool full);
/* While set, replacing is denied. */
void memory_set_locked(struct memory *memory, bool locked);

/* A copy of all there is, and the memory as it was then. */
struct memory *memory_snapshot(const struct memory *memory);
void memory_set_back(struct memory *memory, const struct memory *snapshot);

/* The power fails: of each change that is not durable keeps says whether it stays. */
struct memory_keeps {
    bool (*call)(void *opaque);
    void *opaque;
};
void memory_cut(struct memory *memory, const struct memory_keeps *keeps);
