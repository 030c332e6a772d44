/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "container_target.h"

#include "archive/image.h"
#include "codec/container.h"
#include "fuzz.h"

#define CHUNK_SIZE CODEC_CHUNK_MIN
#define DECODER_MEMORY (UINT64_C(1) << 20)
#define MAX_CHUNKS 4

static void check_index(const struct container_index *index, uint64_t size)
{
    uint64_t raw_offset = 0;

    for (size_t i = 0; i < index->count; i++) {
        const struct container_block *block = &index->blocks[i];
        FUZZ_CHECK(block->raw_offset == raw_offset && block->stored_len > 0 && block->raw_len > 0);
        FUZZ_CHECK(block->raw_len <= CODEC_CHUNK_MAX && block->offset <= size &&
                   block->stored_len <= size - block->offset);
        raw_offset += block->raw_len;
    }
    FUZZ_CHECK(raw_offset == index->raw_size);
}

static void decode_chunks(enum codec_type type, struct image_reader *image)
{
    static uint8_t raw[CHUNK_SIZE], result[CHUNK_SIZE * 2 + 4096];
    const struct codec_spec spec = {.type = type, .level = 1};
    CLEANUP(decoder_freep)
    struct decoder *decoder = decoder_new(type, CHUNK_SIZE, DECODER_MEMORY, NULL);
    size_t cap = codec_result_bound(&spec, CHUNK_SIZE);
    uint8_t sha256[DIGEST_SIZE];

    FUZZ_CHECK(decoder && cap <= sizeof(result));
    const struct chunk_source source = image_reader_source(image);
    for (uint64_t id = 0; id < source.count && id < MAX_CHUNKS; id++) {
        struct codec_room room = {raw, sizeof(raw)};
        size_t len = 0;
        enum chunk_kind kind;
        if (source.read(source.opaque, id, result, cap, &len, &kind, NULL) == 0 &&
            decoder_decode(decoder, result, len, &room, sha256, NULL) == 0)
            FUZZ_CHECK(room.len > 0 && room.len <= sizeof(raw));
    }
}

void container_target_try(enum codec_type type, const uint8_t *data, size_t len, uint64_t size)
{
    struct container_index index CLEANUP_CONTAINER_INDEX = {0};
    CLEANUP(image_reader_freep) struct image_reader *image = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;
    int fd = fuzz_file(data, len, size);

    if (container_read(type, fd, 0, size, &index, &err) < 0) {
        FUZZ_CHECK(err.text && !index.blocks);
        return;
    }
    check_index(&index, size);
    const struct manifest_stored stored = {
        .file.size = size,
        .codec.type = type,
        .image.chunk_size = CHUNK_SIZE,
        .image.raw_size = index.raw_size,
    };
    const struct image_file file = {fd, "image"};
    if (image_reader_new(&file, &stored, 0, NULL, &image, NULL) == 0)
        decode_chunks(type, image);
}
