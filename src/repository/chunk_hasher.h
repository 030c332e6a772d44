/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reads an image some chunks ahead, and hashes what was read in a thread of its own: so reading and
 * hashing, which take about the same time, are done at the same time. The source is called by the
 * caller's thread only. Of an increment only the blocks that are not the same are read.
 */
#pragma once

#include <stdbool.h>

#include "base/digest.h"
#include "codec/chunk_digest.h"
#include "codec/chunks.h"
#include "record/manifest.h"
#include "repository/chunk_plan.h"

/* Of the content digest's chunks in one of the source. */
#define HASHER_CONTENT_MAX (PLAN_BLOCKS * (uint64_t)LIMITS_BLOCK / MANIFEST_MAP_CHUNK)

/* Of a block; only the last of an image may have one. */
#define HASHER_BLOCK_LEAVES ((uint32_t)(LIMITS_BLOCK / CHUNK_DIGEST_LEAF))

struct hashed_chunk {
    const uint8_t *data;
    uint32_t len;
    /* Of an increment, bit n: block n was not read, for it is the same: neither its bytes nor anything
     * below is set for it, and nothing of the content is known. */
    uint64_t same;
    bool all_zeros; /* what follows is not set; not of an increment */
    uint8_t content[HASHER_CONTENT_MAX * DIGEST_SIZE]; /* digests of its MANIFEST_MAP_CHUNKs */
    uint32_t block_count;
    uint8_t leaves[HASHER_BLOCK_LEAVES * PLAN_BLOCKS * DIGEST_SIZE]; /* their digests */
    bool zeros[PLAN_BLOCKS];    /* whether a block has only zeros; then it */
    struct id ids[PLAN_BLOCKS]; /* has no id */
};

/* All of it, but for the blocks that are the same. */
uint64_t chunk_hasher_bytes_read(const struct hashed_chunk *chunk);

struct chunk_hasher;

/* source: borrowed; its chunks have at most PLAN_BLOCKS blocks. id_salt: borrowed, the key of ids. */
struct chunk_hasher *chunk_hasher_new(const struct chunk_source *source, const uint8_t *id_salt,
                                      struct err *err);
void chunk_hasher_free(struct chunk_hasher *hasher); /* accepts NULL */
DEFINE_CLEANUP(struct chunk_hasher *, chunk_hasher_freep, chunk_hasher_free)

/* As source->look, for ids that do not go back. */
int chunk_hasher_look(struct chunk_hasher *hasher, uint64_t id, struct chunk_run *ret,
                      struct err *err);
/* The chunk that was looked at last, if it is DATA (of an increment it may be SAME, too). Waits for its digests; reads others ahead first.
 * *ret is borrowed until the next call. */
int chunk_hasher_read(struct chunk_hasher *hasher, uint64_t id, const struct hashed_chunk **ret,
                      struct err *err);
