/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Names of packs, by the million: what a collection finds in "d/", with a mark on each. In the order
 * of the listing: by the last byte of the session's id, the id, the number. A pack takes 8 bytes and
 * a bit, and its session 24.
 */
#pragma once

#include "repository/format/packs.h"

struct pack_set_session {
    struct id session;
    uint32_t first; /* place of its first pack */
    uint32_t count;
};

/* Zero-initialised, it is empty. */
struct pack_set {
    struct pack_set_session *sessions; /* owned; in order */
    uint32_t session_count;
    uint32_t session_cap;
    uint32_t *numbers; /* owned; by place, ascending within a session */
    uint32_t *sizes;   /* owned; bytes */
    uint8_t *marks;    /* owned; bits */
    uint32_t count;
    uint32_t cap;
    uint64_t most; /* packs that there is memory for; 0: for any number */
};

void pack_set_clear(struct pack_set *set);
#define CLEANUP_PACK_SET CLEANUP(pack_set_clear)

/* The order of sessions. */
int pack_set_compare(const struct id *a, const struct id *b);

/* Adds a pack, without a mark. They come in order (internal, if not). Transient: it is one too many. */
int pack_set_add(struct pack_set *set, const struct id *session, uint32_t number, uint32_t size,
                 struct err *err);
/* Marks those of the packs that are in the set. */
void pack_set_mark(struct pack_set *set, const struct packs *packs);
bool pack_set_is_marked(const struct pack_set *set, uint32_t place);
/* Takes out what is marked. */
void pack_set_drop_marked(struct pack_set *set);

/* The pack in a place, for going through them: *session is the place of its session, from 0 at the
 * beginning, and goes forward. */
const struct id *pack_set_session_of(const struct pack_set *set, uint32_t place, uint32_t *session);
/* NULL if the set has no pack of that session. */
const struct pack_set_session *pack_set_find(const struct pack_set *set, const struct id *session);
