/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec/chunk_digest.h"

#include <string.h>

#include "base/io.h"
#include "base/multi_digest.h"

/* A running hash with libcrypto's own bookkeeping: 3.0 takes 240 bytes. */
#define STATE_SIZE ((size_t)320)

_Static_assert(CHUNK_DIGEST_LEAF <= MULTI_DIGEST_LEN_MAX, "leaves are hashed side by side");
_Static_assert(MULTI_DIGEST_MAX % 2 == 0, "a batch holds whole blocks");
_Static_assert(MULTI_DIGEST_MAX >= 64 * CHUNK_DIGEST_BLOCK / CHUNK_DIGEST_LEAF,
               "all leaves of 64 blocks are a batch");

static const uint8_t zeros[CHUNK_DIGEST_LEAF];

struct chunk_digest {
    struct multi_digest *multi;
    struct digest *over_leaves;
    uint8_t zero_leaf[DIGEST_SIZE];
};

/* What is hashed at a time. */
struct batch {
    uint8_t leaves[MULTI_DIGEST_MAX][DIGEST_SIZE];
    size_t leaf_count;
    struct multi_digest_message messages[MULTI_DIGEST_MAX]; /* leaves that are not zeros */
    size_t message_count;
};

uint64_t chunk_digest_memory(void)
{
    return sizeof(struct chunk_digest) + multi_digest_memory() + STATE_SIZE;
}

struct chunk_digest *chunk_digest_new(void)
{
    struct chunk_digest *chunk = mem_alloc(sizeof(*chunk));

    chunk->multi = multi_digest_new();
    chunk->over_leaves = digest_new();
    digest_of(zeros, sizeof(zeros), chunk->zero_leaf);
    return chunk;
}

void chunk_digest_free(struct chunk_digest *chunk)
{
    if (!chunk)
        return;
    multi_digest_free(chunk->multi);
    digest_free(chunk->over_leaves);
    free(chunk);
}

static void add_leaf(const struct chunk_digest *chunk, struct batch *batch, const uint8_t *data,
                     size_t len)
{
    uint8_t *digest = batch->leaves[batch->leaf_count++];

    if (len == CHUNK_DIGEST_LEAF && io_is_zero(data, len))
        memcpy(digest, chunk->zero_leaf, DIGEST_SIZE);
    else
        batch->messages[batch->message_count++] = (struct multi_digest_message){data, len, digest};
}

void chunk_digest_blocks_of_leaves(struct chunk_digest *chunk, const uint8_t *leaves, size_t count,
                                   uint8_t *ret_blocks)
{
    struct multi_digest_message messages[MULTI_DIGEST_MAX];

    while (count > 0) {
        size_t blocks = 0;
        for (; count > 0 && blocks < MULTI_DIGEST_MAX; blocks++) {
            size_t of_block = count < 2 ? 1 : 2;
            messages[blocks] =
                (struct multi_digest_message){leaves, of_block * DIGEST_SIZE, ret_blocks};
            leaves += of_block * DIGEST_SIZE;
            ret_blocks += DIGEST_SIZE;
            count -= of_block;
        }
        multi_digest_of(chunk->multi, messages, blocks);
    }
}

void chunk_digest_of(struct chunk_digest *chunk, const void *data, size_t len,
                     uint8_t ret[static DIGEST_SIZE])
{
    chunk_digest_with_blocks(chunk, data, len, ret, NULL);
}

void chunk_digest_with_blocks(struct chunk_digest *chunk, const void *data, size_t len,
                              uint8_t ret[static DIGEST_SIZE], uint8_t *ret_blocks)
{
    chunk_digest_with_parts(chunk, data, len, ret, (struct chunk_digest_parts){ret_blocks, NULL});
}

void chunk_digest_with_parts(struct chunk_digest *chunk, const void *data, size_t len,
                             uint8_t ret[static DIGEST_SIZE], struct chunk_digest_parts parts)
{
    const uint8_t *bytes = data;

    while (len > 0) {
        struct batch batch;
        batch.leaf_count = batch.message_count = 0;
        while (len > 0 && batch.leaf_count < MULTI_DIGEST_MAX) {
            size_t leaf = len < CHUNK_DIGEST_LEAF ? len : CHUNK_DIGEST_LEAF;
            add_leaf(chunk, &batch, bytes, leaf);
            bytes += leaf;
            len -= leaf;
        }
        multi_digest_of(chunk->multi, batch.messages, batch.message_count);
        digest_add(chunk->over_leaves, batch.leaves, batch.leaf_count * DIGEST_SIZE);
        if (parts.leaves)
            parts.leaves = mempcpy(parts.leaves, batch.leaves, batch.leaf_count * DIGEST_SIZE);
        if (parts.blocks) {
            chunk_digest_blocks_of_leaves(chunk, batch.leaves[0], batch.leaf_count, parts.blocks);
            parts.blocks += (batch.leaf_count + 1) / 2 * DIGEST_SIZE;
        }
    }
    digest_finish(chunk->over_leaves, ret);
}

void chunk_digest_of_leaves(struct chunk_digest *chunk, const uint8_t *leaves, size_t count,
                            uint8_t ret[static DIGEST_SIZE])
{
    digest_add(chunk->over_leaves, leaves, count * DIGEST_SIZE);
    digest_finish(chunk->over_leaves, ret);
}

void chunk_digest_leaves_of(struct chunk_digest *chunk, const void *data, size_t len,
                            uint64_t blocks, uint8_t *ret_leaves)
{
    struct multi_digest_message messages[MULTI_DIGEST_MAX];
    const uint8_t *bytes = data;
    size_t count = 0;

    for (size_t at = 0; at < len; at += CHUNK_DIGEST_LEAF, ret_leaves += DIGEST_SIZE) {
        size_t block = at / CHUNK_DIGEST_BLOCK;
        size_t leaf = len - at < CHUNK_DIGEST_LEAF ? len - at : CHUNK_DIGEST_LEAF;
        if (block > 63 || !(blocks >> block & 1))
            continue;
        messages[count++] = (struct multi_digest_message){bytes + at, leaf, ret_leaves};
    }
    multi_digest_of(chunk->multi, messages, count);
}

void chunk_digest_of_zeros(struct chunk_digest *chunk, size_t len, uint8_t ret[static DIGEST_SIZE])
{
    uint8_t rest[DIGEST_SIZE];

    for (; len >= CHUNK_DIGEST_LEAF; len -= CHUNK_DIGEST_LEAF)
        digest_add(chunk->over_leaves, chunk->zero_leaf, DIGEST_SIZE);
    if (len > 0) {
        digest_of(zeros, len, rest);
        digest_add(chunk->over_leaves, rest, DIGEST_SIZE);
    }
    digest_finish(chunk->over_leaves, ret);
}
