/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec/codec.h"

#include <inttypes.h>
#include <string.h>

#include "codec/backend.h"
#include "codec/chunk_digest.h"

struct decoder {
    const struct codec_backend *backend;
    void *state; /* owned, the backend's */
    struct chunk_digest *digest;
    struct chunk_digest_parts parts; /* borrowed: where digests of a chunk's parts go */
    uint64_t wanted;                 /* blocks; 0: all */
    uint64_t chunk_size;
};

struct decoder *decoder_new(enum codec_type type, uint64_t chunk_size, uint64_t memory_limit,
                            struct err *err)
{
    if (codec_check_chunk_size(chunk_size, err) < 0)
        return NULL;

    struct decoder *decoder = mem_alloc(sizeof(*decoder));
    decoder->backend = codec_backend(type);
    decoder->digest = chunk_digest_new();
    decoder->chunk_size = chunk_size;
    decoder->state = decoder->backend->decoder_new(chunk_size, memory_limit, err);
    if (!decoder->state) {
        decoder_free(decoder);
        return NULL;
    }
    return decoder;
}

static int decode_block(struct decoder *decoder, const struct result_block *block, uint8_t *ret_raw,
                        size_t len, struct err *err)
{
    const struct codec_backend *backend = decoder->backend;

    return len < block->raw_len && backend->decode_start
               ? backend->decode_start(decoder->state, block, ret_raw, len, err)
               : backend->decode(decoder->state, block, ret_raw, err);
}

/* The first len bytes, or more. */
static int decode_blocks(struct decoder *decoder, const struct result *result, uint8_t *ret_raw,
                         size_t len, struct err *err)
{
    struct result_cursor cursor = {0};
    struct result_block block;

    for (size_t done = 0; done < len && result_next(result, &cursor, &block);
         done += block.raw_len) {
        if (decode_block(decoder, &block, ret_raw, len - done, err) < 0) {
            if (result->block_count > 1)
                err_prefix(err, "block %" PRIu32 " of %" PRIu32, cursor.index, result->block_count);
            return -1;
        }
        ret_raw += block.raw_len;
    }
    return 0;
}

/* The blocks that are wanted of a chunk; 0: all. */
static uint64_t wanted_of(const struct decoder *decoder, size_t raw_len)
{
    size_t count = chunk_digest_blocks_size(raw_len) / DIGEST_SIZE;
    uint64_t all = count < 64 ? (UINT64_C(1) << count) - 1 : UINT64_MAX;
    uint64_t wanted = decoder->wanted & all;

    return wanted == all || count > 64 ? 0 : wanted;
}

static int decode_wanted(struct decoder *decoder, const struct result *result, uint64_t wanted,
                         uint8_t *ret_raw, struct err *err)
{
    size_t len = (64 - (size_t)__builtin_clzll(wanted)) * CHUNK_DIGEST_BLOCK;

    if (len > result->raw_len)
        len = result->raw_len;
    if (decode_blocks(decoder, result, ret_raw, len, err) < 0)
        return -1;
    if (decoder->parts.leaves)
        chunk_digest_leaves_of(decoder->digest, ret_raw, len, wanted, decoder->parts.leaves);
    return 0;
}

static bool has_digest(const struct result *result)
{
    static const uint8_t unknown[DIGEST_SIZE];

    return memcmp(result->digest, unknown, sizeof(unknown)) != 0;
}

static int decode_all(struct decoder *decoder, const struct result *result, uint8_t *ret_raw,
                      uint8_t ret_digest[static DIGEST_SIZE], struct err *err)
{
    if (decode_blocks(decoder, result, ret_raw, result->raw_len, err) < 0)
        return -1;
    chunk_digest_with_parts(decoder->digest, ret_raw, result->raw_len, ret_digest, decoder->parts);
    if (has_digest(result) && memcmp(ret_digest, result->digest, DIGEST_SIZE) != 0)
        return err_set(err, ERR_CORRUPT,
                       "the decoded bytes differ from those that were encoded "
                       "(digest mismatch)");
    return 0;
}

int decoder_decode(struct decoder *decoder, const void *result, size_t len, struct codec_room *raw,
                   uint8_t ret_digest[static DIGEST_SIZE], struct err *err)
{
    struct result parsed;
    uint8_t digest[DIGEST_SIZE] = {0};

    if (result_parse(result, len, &parsed, err) < 0)
        return -1;
    if (parsed.raw_len > decoder->chunk_size)
        return err_set(err, ERR_CORRUPT,
                       "a chunk of %" PRIu32 " bytes, where at most %" PRIu64 " are allowed",
                       parsed.raw_len, decoder->chunk_size);
    if (parsed.raw_len > raw->cap)
        return err_set(err, ERR_INTERNAL, "room for %zu bytes, but the chunk has %" PRIu32,
                       raw->cap, parsed.raw_len);
    uint64_t wanted = wanted_of(decoder, parsed.raw_len);
    if (wanted ? decode_wanted(decoder, &parsed, wanted, raw->data, err) < 0
               : decode_all(decoder, &parsed, raw->data, digest, err) < 0)
        return -1;
    memcpy(ret_digest, digest, DIGEST_SIZE);
    raw->len = parsed.raw_len;
    return 0;
}

void decoder_set_blocks(struct decoder *decoder, uint8_t *blocks)
{
    decoder->parts.blocks = blocks;
}

void decoder_set_leaves(struct decoder *decoder, uint8_t *leaves)
{
    decoder->parts.leaves = leaves;
}

void decoder_set_wanted(struct decoder *decoder, uint64_t blocks)
{
    decoder->wanted = blocks;
}

void decoder_free(struct decoder *decoder)
{
    if (!decoder)
        return;
    decoder->backend->decoder_free(decoder->state);
    chunk_digest_free(decoder->digest);
    free(decoder);
}
