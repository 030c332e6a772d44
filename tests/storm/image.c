/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <string.h>

#include "base/cleanup.h"
#include "codec/chunk_digest.h"
#include "repository/format/limits.h"
#include "storm.h"
#include "../unit/chance.h"

#define TEXT_HEAD "storm "
#define TEXT_LEN (sizeof(TEXT_HEAD) - 1 + (size_t)STORM_CHUNKS * STORM_BLOCKS)

char *storm_image_text(const struct storm_image *image)
{
    char *text = mem_printf("%s%*s", TEXT_HEAD, (int)(STORM_CHUNKS * STORM_BLOCKS), "");
    char *at = text + sizeof(TEXT_HEAD) - 1;

    for (unsigned i = 0; i < STORM_CHUNKS; i++) {
        for (unsigned j = 0; j < STORM_BLOCKS; j++)
            *at++ = (char)('0' + image->versions[i][j]);
    }
    return text;
}

bool storm_image_parse(const char *text, size_t len, struct storm_image *ret)
{
    const char *at = text + sizeof(TEXT_HEAD) - 1;

    if (len != TEXT_LEN || memcmp(text, TEXT_HEAD, sizeof(TEXT_HEAD) - 1) != 0)
        return false;
    for (unsigned i = 0; i < STORM_CHUNKS; i++) {
        for (unsigned j = 0; j < STORM_BLOCKS; j++) {
            unsigned version = (unsigned)*at++ - '0';
            if (version >= STORM_VERSIONS)
                return false;
            ret->versions[i][j] = (uint8_t)version;
        }
    }
    return true;
}

void storm_image_chunk(const struct storm_image *image, uint64_t chunk, uint8_t data[STORM_CHUNK])
{
    memset(data, 0, STORM_CHUNK);
    for (unsigned i = 0; i < STORM_BLOCKS; i++) {
        uint8_t version = image->versions[chunk][i];
        uint64_t state = (chunk * STORM_BLOCKS + i) * STORM_VERSIONS + version;
        for (size_t at = 0; version && at < LIMITS_BLOCK; at += sizeof(state)) {
            uint64_t word = chance_next(&state);
            memcpy(data + i * LIMITS_BLOCK + at, &word, sizeof(word));
        }
    }
}

/* ---- what children would do ------------------------------------------------------------------ */

int storm_encode(const struct chunk_source *source, const struct chunk_sink *sink, struct err *err)
{
    static const struct codec_spec spec = {.type = CODEC_NONE};
    CLEANUP(encoder_freep)
    struct encoder *encoder = encoder_new(&spec, source->chunk_size, err);
    size_t cap = codec_result_bound(&spec, source->chunk_size);
    CLEANUP_FREE uint8_t *raw = mem_alloc(source->chunk_size), *result = mem_alloc(cap);

    if (!encoder)
        return -1;
    encoder_omit_digests(encoder);
    for (uint64_t id = 0; id < source->count; id++) {
        struct chunk_output output = {.id = id, .count = 1, .kind = CHUNK_SAME};
        struct codec_room room = {.data = result, .cap = cap};
        size_t len = 0;
        if (source->read(source->opaque, id, raw, source->chunk_size, &len, &output.kind, err) < 0)
            return -1;
        output.raw_len = (uint32_t)len;
        if (output.kind == CHUNK_DATA) {
            output.raw_len = source->gathered(source->opaque, id);
            if (encoder_encode(encoder, raw, output.raw_len, &room, err) < 0)
                return -1;
            output.data = result;
            output.len = room.len;
            output.digest = result; /* a result begins with it */
        }
        if (sink->put(sink->opaque, &output, err) < 0)
            return -1;
    }
    return 0;
}

int storm_decode(const struct chunk_source *source, const struct chunk_sink *sink,
                 enum codec_type codec, struct err *err)
{
    const struct codec_spec spec = {.type = codec, .dict_size = source->chunk_size};
    CLEANUP(decoder_freep)
    struct decoder *decoder =
        decoder_new(codec, source->chunk_size, codec_decoder_memory(&spec), err);
    size_t cap = codec_result_bound(&spec, source->chunk_size);
    CLEANUP_FREE uint8_t *input = mem_alloc(cap), *raw = mem_alloc(source->chunk_size);
    CLEANUP_FREE uint8_t *blocks = mem_alloc(chunk_digest_blocks_size(source->chunk_size));
    CLEANUP_FREE uint8_t *leaves = mem_alloc(chunk_digest_leaves_size(source->chunk_size));

    if (!decoder)
        return -1;
    decoder_set_blocks(decoder, blocks);
    decoder_set_leaves(decoder, leaves);
    for (uint64_t id = 0; id < source->count; id++) {
        uint8_t digest[DIGEST_SIZE];
        struct codec_room room = {.data = raw, .cap = source->chunk_size};
        struct chunk_output output = {.id = id,
                                      .count = 1,
                                      .data = raw,
                                      .digest = digest,
                                      .block_digests = blocks,
                                      .leaf_digests = leaves};
        size_t len = 0;
        if (source->read(source->opaque, id, input, cap, &len, &output.kind, err) < 0 ||
            decoder_decode(decoder, input, len, &room, digest, err) < 0)
            return -1;
        output.raw_len = (uint32_t)room.len;
        output.len = room.len;
        if (sink->put(sink->opaque, &output, err) < 0)
            return -1;
    }
    return 0;
}
