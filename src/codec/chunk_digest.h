/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The digest of a chunk: SHA-256 over the SHA-256 digests of its leaves, of CHUNK_DIGEST_LEAF
 * bytes each (the last may be shorter), in order, 32 bytes each. A single hash over all bytes
 * could only be computed sequentially; leaves are hashed in parallel, and leaves of zeros not at
 * all.
 *
 * A block is CHUNK_DIGEST_BLOCK bytes of a chunk, from a multiple of that on (the last may be
 * shorter). Its digest is the one that it would have as a chunk: over its one or two leaves, which
 * are hashed for the chunk anyway.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/digest.h"

#define CHUNK_DIGEST_LEAF ((size_t)32768)
#define CHUNK_DIGEST_BLOCK (2 * CHUNK_DIGEST_LEAF)

struct chunk_digest;

struct chunk_digest *chunk_digest_new(void);
void chunk_digest_of(struct chunk_digest *chunk, const void *data, size_t len,
                     uint8_t ret[static DIGEST_SIZE]);
/* The same, and the digests of the blocks, in order, DIGEST_SIZE bytes each, at ret_blocks (NULL:
 * not wanted). */
void chunk_digest_with_blocks(struct chunk_digest *chunk, const void *data, size_t len,
                              uint8_t ret[static DIGEST_SIZE], uint8_t *ret_blocks);
/* Where digests of parts go, in order, DIGEST_SIZE bytes each; NULL: they are not wanted. */
struct chunk_digest_parts {
    uint8_t *blocks;
    uint8_t *leaves;
};
/* The same, and the digests of parts. */
void chunk_digest_with_parts(struct chunk_digest *chunk, const void *data, size_t len,
                             uint8_t ret[static DIGEST_SIZE], struct chunk_digest_parts parts);
/* Of a chunk whose leaves have these `count` digests. */
void chunk_digest_of_leaves(struct chunk_digest *chunk, const uint8_t *leaves, size_t count,
                            uint8_t ret[static DIGEST_SIZE]);
/* And of its blocks. */
void chunk_digest_blocks_of_leaves(struct chunk_digest *chunk, const uint8_t *leaves, size_t count,
                                   uint8_t *ret_blocks);
/* The digests of the leaves of these blocks, bit n for block n, each in its place. */
void chunk_digest_leaves_of(struct chunk_digest *chunk, const void *data, size_t len,
                            uint64_t blocks, uint8_t *ret_leaves);
/* Of a chunk of `len` zeros. */
void chunk_digest_of_zeros(struct chunk_digest *chunk, size_t len, uint8_t ret[static DIGEST_SIZE]);
void chunk_digest_free(struct chunk_digest *chunk); /* accepts NULL */
DEFINE_CLEANUP(struct chunk_digest *, chunk_digest_freep, chunk_digest_free)
/* The most memory that one takes. */
uint64_t chunk_digest_memory(void);
/* The size of the digests of the blocks of a chunk of `len` bytes. */
static inline size_t chunk_digest_blocks_size(uint64_t len)
{
    return (size_t)((len + CHUNK_DIGEST_BLOCK - 1) / CHUNK_DIGEST_BLOCK) * DIGEST_SIZE;
}
/* The number of its leaves, and the size of their digests. */
static inline size_t chunk_digest_leaf_count(uint64_t len)
{
    return (size_t)((len + CHUNK_DIGEST_LEAF - 1) / CHUNK_DIGEST_LEAF);
}
static inline size_t chunk_digest_leaves_size(uint64_t len)
{
    return chunk_digest_leaf_count(len) * DIGEST_SIZE;
}
