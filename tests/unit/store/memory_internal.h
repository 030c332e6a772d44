/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a memory has, for memory_store.c and memory_objects.c.
 */
#pragma once

#include <pthread.h>

#include "memory_store.h"

/* Shared by snapshots; never changed. */
struct memory_blob {
    size_t uses;
    size_t len;
    uint8_t data[];
};

struct memory_object {
    char *name; /* owned */
    struct memory_blob *blob;
    int64_t time_ms;
};

/* A change that a power cut may undo. */
struct memory_change {
    char *name;                 /* owned */
    struct memory_blob *before; /* NULL: there was no object */
    int64_t time_ms;
};

struct memory {
    pthread_mutex_t lock;
    struct memory_object *objects; /* sorted by name */
    size_t count;
    size_t cap;
    struct memory_change *changes;
    size_t change_count;
    struct strings folders; /* of the first two levels */
    struct memory_watch watch;
    int64_t now_ms;
    bool full;
    bool locked;
};

/* A copy of the bytes; of the reserve only the first ones, and zeros behind them, which take no memory. */
struct memory_blob *memory_blob_of(const char *name, const void *data, size_t len);
/* Place of the first object whose name is not before this one. */
size_t memory_place_of(const struct memory *memory, const char *name, bool *ret_found);
struct memory_object *memory_find(const struct memory *memory, const char *name);
/* Gives the name this blob, which it takes, or none (NULL). Of several changes of one name a cut
 * undoes all or none. */
void memory_change_object(struct memory *memory, const char *name, struct memory_blob *blob);
/* len: of the folder's name, at the beginning of folder. */
void memory_settle_folder(struct memory *memory, const char *folder, size_t len);
