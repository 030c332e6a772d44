/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fills the set of known blocks (repository/known.h) from the packs of points: reads their indexes,
 * several at a time.
 *
 * A pack that has a bad-pack record, that is gone, is not as the point knows it or cannot be read
 * gives no known blocks: what it had is stored again, and so the next point is whole.
 */
#pragma once

#include "repository/known.h"
#include "repository/stored_point.h"

/* All borrowed. */
struct known_request {
    const struct stored_scope *scope;
    /* That the session has read since it announced itself. If not all of them fit, the first go
     * before. */
    const struct stored_point *const *points;
    size_t point_count;
    const bool *left_out; /* packs of the first point, by place, that are not wanted; NULL: none */
    size_t memory;        /* KNOWN_MEMORY */
};

struct known_pack_name {
    struct id session;
    uint32_t number;
    struct pack_digest digest;
};

struct known_packs {
    struct known *known; /* owned */
    /* Owned: each pack of the set. Those of the first point have their place there as number. */
    struct known_pack_name *names;
    uint32_t count;
    uint32_t unread; /* packs that should have been read and could not, */
    char *why;       /* and the first reason; owned, NULL if there are none */
};

void known_packs_clear(struct known_packs *packs);
#define CLEANUP_KNOWN_PACKS CLEANUP(known_packs_clear)

/* Blocks. The list of bad packs must be readable; a signal ends it (cancelled). */
int known_packs_read(const struct known_request *request, struct known_packs *ret, struct err *err);
