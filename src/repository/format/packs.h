/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The packs that a point needs: the sections PACKS, which ones, and DIGESTS, what each of them is.
 * See POINTS in virt-backup-repository(5). A pack's place is its place in PACKS, from 0; maps name
 * packs by it.
 */
#pragma once

#include "repository/format/pack.h"
#include "repository/format/slot.h"

struct packs_session {
    struct id session;
    uint32_t first; /* place of its first pack */
    uint32_t count; /* at least 1 */
};

/* Zero-initialised, it is empty. */
struct packs {
    struct packs_session *sessions; /* owned; ascending */
    uint32_t session_count;
    uint32_t *numbers; /* owned; of each pack, by place; ascending within a session */
    uint32_t count;
};

void packs_clear(struct packs *packs);
#define CLEANUP_PACKS CLEANUP(packs_clear)

/* Appends a pack. They come by session, then by number. Unsupported: the point has too many. */
int packs_add(struct packs *packs, const struct id *session, uint32_t number, struct err *err);
void packs_format(const struct packs *packs, struct buf *ret);
int packs_parse(const void *data, size_t len, struct packs *ret, struct err *err);

/* Session and number of the pack in this place, which is below packs->count. */
void packs_at(const struct packs *packs, uint32_t place, struct id *ret_session,
              uint32_t *ret_number);
/* False: it is not among them. */
bool packs_find(const struct packs *packs, const struct id *session, uint32_t number,
                uint32_t *ret_place);

void packs_format_digests(const struct pack_digest *digests, uint32_t count, struct buf *ret);
/* Of count packs, in an array that the caller frees. */
int packs_parse_digests(const void *data, size_t len, uint32_t count, struct pack_digest **ret,
                        struct err *err);
/* How many blocks each has, as map_packs wants it, in an array that the caller frees; NULL: there is
 * no memory for it. */
uint32_t *packs_block_counts(const struct pack_digest *digests, uint32_t count);

/* The packs of the point in a slot, without the rest of it and without any key. *ret_slot says what
 * is in the slot, as slot_parse or slot_parse_start do; of a tombstone there are no packs. Corrupt:
 * the slot is unreadable. Not found: it is empty. */
int packs_read(struct store *store, const char *slot_name, const struct slot_id *id,
               struct slot *ret_slot, struct packs *ret, struct err *err);
