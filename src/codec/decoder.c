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

static int decode_blocks(struct decoder *decoder, const struct result *result, uint8_t *ret_raw,
                         struct err *err)
{
    struct result_cursor cursor = {0};
    struct result_block block;

    while (result_next(result, &cursor, &block)) {
        if (decoder->backend->decode(decoder->state, &block, ret_raw, err) < 0) {
            if (result->block_count > 1)
                err_prefix(err, "block %" PRIu32 " of %" PRIu32, cursor.index, result->block_count);
            return -1;
        }
        ret_raw += block.raw_len;
    }
    return 0;
}

static bool has_digest(const struct result *result)
{
    static const uint8_t unknown[DIGEST_SIZE];

    return memcmp(result->digest, unknown, sizeof(unknown)) != 0;
}

int decoder_decode(struct decoder *decoder, const void *result, size_t len, struct codec_room *raw,
                   uint8_t ret_digest[static DIGEST_SIZE], struct err *err)
{
    struct result parsed;
    uint8_t digest[DIGEST_SIZE];

    if (result_parse(result, len, &parsed, err) < 0)
        return -1;
    if (parsed.raw_len > decoder->chunk_size)
        return err_set(err, ERR_CORRUPT,
                       "a chunk of %" PRIu32 " bytes, where at most %" PRIu64 " are allowed",
                       parsed.raw_len, decoder->chunk_size);
    if (parsed.raw_len > raw->cap)
        return err_set(err, ERR_INTERNAL, "room for %zu bytes, but the chunk has %" PRIu32,
                       raw->cap, parsed.raw_len);
    if (decode_blocks(decoder, &parsed, raw->data, err) < 0)
        return -1;
    chunk_digest_with_parts(decoder->digest, raw->data, parsed.raw_len, digest, decoder->parts);
    if (has_digest(&parsed) && memcmp(digest, parsed.digest, DIGEST_SIZE) != 0)
        return err_set(err, ERR_CORRUPT,
                       "the decoded bytes differ from those that were encoded "
                       "(digest mismatch)");
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

void decoder_free(struct decoder *decoder)
{
    if (!decoder)
        return;
    decoder->backend->decoder_free(decoder->state);
    chunk_digest_free(decoder->digest);
    free(decoder);
}
