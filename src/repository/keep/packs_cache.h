/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The lists of packs (PACKS) of points that were read before, so that a collection need not read
 * every point again. Points never change, and no name is used twice, so a list is right for ever; but
 * it says nothing of whether its point is still there. It is a file in the state directory, to which
 * lists are appended; each has a SHA-256, and the first one that is wrong ends the file. To lose it
 * costs time only.
 */
#pragma once

#include "repository/format/packs.h"
#include "repository/stored_scope.h"

struct packs_cache;

/* Opens or makes the file of this name in the folder dir_fd. The caller holds a lock on it. */
int packs_cache_open(int dir_fd, const char *name, const struct stored_scope *scope,
                     struct packs_cache **ret, struct err *err);
/* Accepts NULL. A file of which most was not wanted is removed, so that it does not grow for ever. */
void packs_cache_close(struct packs_cache *cache);
DEFINE_CLEANUP(struct packs_cache *, packs_cache_closep, packs_cache_close)

/* Whether the caller has a use for a session's list. */
struct packs_cache_wanted {
    bool (*call)(void *opaque, const struct id *session);
    void *opaque;
};
/* The next list that is wanted: 1; 0 at the end, from where on lists can be added. */
int packs_cache_next(struct packs_cache *cache, const struct packs_cache_wanted *wanted,
                     struct id *ret_session, struct packs *ret, struct err *err);
int packs_cache_add(struct packs_cache *cache, const struct id *session, const struct packs *packs,
                    struct err *err);
