/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The set of known blocks: those that a session need not store, because a pack has them that it may
 * refer to. They are in the packs of points that the session has read (repository/known_packs.h), or
 * in packs of its own. There is no other index of blocks, neither here nor in the repository.
 *
 * The set has a fixed bound. Of what does not fit nothing is known, and so it is stored again.
 *
 * Packs are numbered from 0 in the order in which they were added. Blocks of the session itself are
 * known before it is decided which pack they go to: they count from 0 in the order in which they are
 * added, and are named as if each KNOWN_OWN_BLOCKS of them were a pack, numbered after the others.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "repository/format/pack_index.h"

/* Bytes. */
#define KNOWN_MEMORY ((size_t)256 << 20)

#define KNOWN_OWN_BLOCKS LIMITS_PACK_BLOCKS

struct known;

/* Takes at most `memory` bytes, if more than 64 KiB: KNOWN_MEMORY, or less in a test. */
struct known *known_new(size_t memory);
void known_free(struct known *known); /* accepts NULL */
DEFINE_CLEANUP(struct known *, known_freep, known_free)

struct known_block {
    uint32_t pack;
    uint32_t block; /* of the pack */
};

/* From here on only blocks in frames of this codec are known: whoever restores an image has children
 * that decode one. So a backup with another compression stores everything once more. At the start,
 * blocks of all codecs are known. */
void known_set_codec(struct known *known, enum codec_type codec);

/* ---- packs, before the first block of the session ------------------------------------------- */

/* Whether so many more blocks have room. */
bool known_fits(const struct known *known, uint64_t blocks);
/* Makes the set large enough at once for so many, which fit. No memory: it grows as it is filled. */
void known_expect(struct known *known, uint64_t blocks);
/* The next pack. Takes what index owns; the same without blocks, or with frames of several codecs:
 * nothing of it is known. */
void known_add_pack(struct known *known, struct pack_index *index);
/* The next pack, of which no ids are kept for want of room; its frames are of this codec. */
void known_add_without_ids(struct known *known, enum codec_type codec);
uint32_t known_pack_count(const struct known *known);
/* From now on nothing is known of this pack. At any time. */
void known_leave_pack(struct known *known, uint32_t number);
/* Whether the blocks of an added pack may be referred to: it has frames, and all are of the codec that is
 * wanted. */
bool known_is_usable(const struct known *known, uint32_t pack);

/* ---- blocks --------------------------------------------------------------------------------- */

/* False: it is not known. */
bool known_find(const struct known *known, const struct id *id, struct known_block *ret);
/* Whether this is that block; false also if nothing is known of its pack. */
bool known_is(const struct known *known, const struct known_block *block, const struct id *id);
/* False: it was not kept. */
bool known_id(const struct known *known, const struct known_block *block, struct id *ret);
/* Whether `next` comes right after block, in the same frame; false also if nothing is known of its
 * pack. */
bool known_continues(const struct known *known, const struct known_block *block,
                     const struct known_block *next);

/* Adds the blocks of a new frame of the session; returns the first of them. The others follow, in
 * the next pack from its first block on if this one is full. */
struct known_block known_add_own(struct known *known, const struct id *ids, uint32_t count);
static inline struct known_block known_own(const struct known *known, uint64_t number)
{
    return (struct known_block){
        .pack = known_pack_count(known) + (uint32_t)(number / KNOWN_OWN_BLOCKS),
        .block = (uint32_t)(number % KNOWN_OWN_BLOCKS),
    };
}
/* How many there are. */
uint64_t known_own_count(const struct known *known);
