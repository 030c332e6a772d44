/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Fills the set of known blocks (repository/known.h) from the packs of the points that a session may
 * build on: reads their indexes, several at a time. If not all of them fit, the first points go
 * before.
 *
 * A pack that was found bad, that is gone, is not as the point knows it or cannot be read
 * gives no known blocks: what it had is stored again, and so the next point is whole.
 */
#pragma once

#include "repository/known.h"
#include "repository/session.h"

struct known_request {
    const struct session *session; /* borrowed, as all below */
    const bool *left_out; /* packs of the first point, by place, that are not wanted; NULL: none */
    size_t memory;        /* KNOWN_MEMORY */
    bool increment; /* blocks of the first point may be taken over unread: which of its packs can be
                     * used must be known of all of them, even if there is no room for their ids */
};

struct known_pack_name {
    struct pack_id id;
    struct pack_digest digest;
};

struct known_packs {
    struct known *known; /* owned */
    /* Owned: each pack of the set. Those of the first point have as number their place there. */
    struct known_pack_name *names;
    uint32_t count;
    uint32_t unread; /* packs that should have been read and could not, */
    char *why;       /* and the first reason; owned, NULL if there are none */
};

void known_packs_clear(struct known_packs *packs);
#define CLEANUP_KNOWN_PACKS CLEANUP(known_packs_clear)

/* Blocks; a signal ends it (cancelled). */
int known_packs_read(const struct known_request *request, struct known_packs *ret, struct err *err);
