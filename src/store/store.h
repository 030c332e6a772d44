/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where the objects of a repository are kept: named bytes, each of them written once and whole. What
 * they are called and what they contain is the repository's business. There are six operations, few
 * enough for an object store to have them too, and no lock: whoever creates a name first has it.
 *
 * A name consists of parts of [A-Za-z0-9._-], none of which begins with '.', separated by '/'. In a
 * folder it is the path below it. The folders of a name's first two parts must exist
 * (store_add_folders): if one is missing, that is an error and never an empty answer, for something
 * else is mounted there, or nothing. Those below are made as they are needed.
 *
 * What is promised:
 *   - who lists or reads sees all that was created before, on whatever host;
 *   - of several that create a name, at the same time or not, one is told "made";
 *   - what was made, replaced or deleted is still so after a power cut, once the call that says so
 *     has returned; for deleting, and for creating with settle_later, once store_settle has.
 *
 * All calls block, and may come from several threads. Errors name the object. After an error of
 * store_create or store_replace it is not known whether the object is there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/strings.h"

struct store;

/* url: the path of a folder. Not found: it is missing. Unsupported: a kind of store that is not
 * known. */
int store_open(const char *url, struct store **ret, struct err *err);
/* The same, after making the folder (0700), unless it is there. Exists: something is in it that is not
 * among the names in `own`. */
int store_make(const char *url, const struct strings *own, struct store **ret, struct err *err);
void store_close(struct store *store); /* accepts NULL */
DEFINE_CLEANUP(struct store *, store_closep, store_close)
/* As it was given, for messages; borrowed. */
const char *store_url(const struct store *store);

enum store_outcome {
    STORE_MADE,
    STORE_EXISTS, /* the name is taken, by whatever bytes; nothing was changed */
};

struct store_object {
    const char *name;
    const void *data; /* large ones are written fastest from the start of a memory page */
    size_t len;
    /* Before a file has its name it is "tmp/SESSION-N", so that whoever knows the session to be dead
     * may remove it; NULL: "tmp/RANDOM". Folders only. */
    const char *session;
    bool settle_later; /* the caller calls store_settle for many of them */
};

int store_create(struct store *store, const struct store_object *object, enum store_outcome *ret,
                 struct err *err);
/* Whatever has the name is replaced, or it is made. */
int store_replace(struct store *store, const struct store_object *object, struct err *err);

struct store_range {
    const char *name;
    uint64_t offset;
    void *data; /* where to put it */
    size_t cap; /* how much at most */
};

/* Reads a part of an object: fewer than cap bytes (*ret_len) only at its end. */
int store_get(struct store *store, const struct store_range *range, size_t *ret_len,
              struct err *err);
/* Appends a whole object. Corrupt: it is larger than max. */
int store_read(struct store *store, const char *name, size_t max, struct buf *ret, struct err *err);

struct store_entry {
    const char *name; /* borrowed during the call */
    uint64_t size;
    int64_t time_ms; /* when it was made or replaced, by the store's clock, since 1970 */
};

struct store_each {
    int (*call)(void *opaque, const struct store_entry *entry, struct err *err);
    void *opaque;
    /* For what lies where an object might, but is no regular file, such as a symbolic link: its size
     * is 0. NULL: it is passed over. */
    int (*odd)(void *opaque, const struct store_entry *entry, struct err *err);
    /* False of a folder that cannot be one: it goes to odd, and nobody looks at what is in it. NULL:
     * all can. */
    bool (*may_be_folder)(const char *name);
};

/* Calls for each object whose name begins with prefix, which ends with '/', sorted by the bytes of
 * the name. If the listing cannot be had to its end that is an error, though entries may have been
 * given before. An error of the call ends it. */
int store_list(struct store *store, const char *prefix, const struct store_each *each,
               struct err *err);

/* In this order. One that is gone already is no error. */
int store_delete(struct store *store, const struct strings *names, struct err *err);

/* Makes the changes in these folders ("d/default/0f") durable, whoever made them. */
int store_settle(struct store *store, const struct strings *folders, struct err *err);

/* ---- beside the operations ------------------------------------------------------------------ */

/* store_get of bytes that this host has in its memory. True: range->data has all cap of them. False: they
 * would have to be waited for, or it is not known, or something is wrong, which store_get then says. */
bool store_get_at_hand(struct store *store, const struct store_range *range);

/* Makes the first two levels, "d/default". They may exist. */
int store_add_folders(struct store *store, const struct strings *folders, struct err *err);

/* The time by the clock of the store, in milliseconds since 1970. */
int store_now(struct store *store, int64_t *ret_ms, struct err *err);

/* The type of a file system whose listings may be old, "nfs"; else NULL. */
const char *store_lagging(struct store *store);

struct store_abilities {
    bool creates_once; /* a name that exists is not created again */
};

/* Tries, with objects below "tmp" that are removed again, what the promises above need.
 * Unsupported: it cannot be a store, for the reason that is told. */
int store_probe(struct store *store, struct store_abilities *ret, struct err *err);
