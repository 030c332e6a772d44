/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/check_pack.h"

#include <inttypes.h>
#include <string.h>

#include "base/array.h"
#include "base/io.h"
#include "codec/chunk_digest.h"
#include "codec/result.h"
#include "repository/block_id.h"

/* The frames of one codec; a pack may have several. */
struct pack_frames {
    const uint8_t *data;
    const struct pack_index *index;
    struct block_ids *ids;
    struct chunk_digest *digest;
    const struct pack_frame **frames; /* owned */
    uint32_t count;
};

static int look_at_pack_frame(void *opaque, uint64_t id, struct chunk_run *ret, struct err *err)
{
    (void)opaque;
    (void)id;
    (void)err;
    *ret = (struct chunk_run){.kind = CHUNK_DATA, .count = 1};
    return 0;
}

static int read_pack_frame(void *opaque, uint64_t id, void *data, size_t cap, size_t *ret_len,
                           enum chunk_kind *ret_kind, struct err *err)
{
    const struct pack_frames *frames = opaque;
    const struct pack_frame *frame = frames->frames[id];
    const uint8_t *stored = frames->data + PACK_HEAD_SIZE + frame->offset;

    if (frame->stored_len > cap || frame->stored_len < RESULT_HEAD_SIZE ||
        io_is_zero(stored, DIGEST_SIZE) || get_be32(stored + DIGEST_SIZE) != frame->raw_len)
        return err_set(err, ERR_CORRUPT,
                       "the frame of block %" PRIu32 " is not as frames are written",
                       frame->first_block);
    memcpy(data, stored, frame->stored_len);
    *ret_len = frame->stored_len;
    *ret_kind = CHUNK_DATA;
    return 0;
}

static uint32_t pack_frame_len(void *opaque, uint64_t id)
{
    const struct pack_frames *frames = opaque;

    return frames->frames[id]->raw_len;
}

static int check_frame_ids(void *opaque, const struct chunk_output *output, struct err *err)
{
    const struct pack_frames *frames = opaque;
    const struct pack_frame *frame = frames->frames[output->id];

    for (uint32_t i = 0; i < frame->block_count; i++) {
        uint32_t left = frame->raw_len - i * LIMITS_BLOCK;
        uint8_t of_zeros[DIGEST_SIZE];
        const uint8_t *digest =
            output->block_digests ? output->block_digests + (size_t)i * DIGEST_SIZE : of_zeros;
        struct id id;
        if (!output->block_digests)
            chunk_digest_of_zeros(frames->digest, left < LIMITS_BLOCK ? left : LIMITS_BLOCK,
                                  of_zeros);
        block_id_of(frames->ids, digest, &id);
        if (id_compare(&id, &frames->index->ids[frame->first_block + i]) != 0)
            return err_set(err, ERR_CORRUPT, "block %" PRIu32 " does not have its id",
                           frame->first_block + i);
    }
    return 0;
}

static int check_frames_of(const struct check_request *request, struct pack_frames *frames,
                           enum codec_type codec, struct err *err)
{
    uint64_t chunk_size = (codec == CODEC_LZMA ? LIMITS_FRAME_BLOCKS_LZMA : LIMITS_FRAME_BLOCKS) *
                          (uint64_t)LIMITS_BLOCK;
    const struct chunk_source source = {
        .opaque = frames,
        .chunk_size = chunk_size,
        .look = look_at_pack_frame,
        .read = read_pack_frame,
        .gathered = pack_frame_len,
    };
    const struct chunk_sink sink = {
        .opaque = frames, .block_digests = true, .put = check_frame_ids};
    struct chunk_source those = source;

    frames->count = 0;
    for (uint32_t i = 0; i < frames->index->frame_count; i++)
        if (frames->index->frames[i].codec == codec)
            frames->frames[frames->count++] = &frames->index->frames[i];
    those.count = frames->count;
    those.raw_size = frames->count * chunk_size;
    return frames->count == 0
               ? 0
               : request->children->decode(request->children->opaque, codec, &those, &sink, err);
}

int check_pack_frames(const struct check_request *request, const uint8_t *data,
                      const struct pack_index *index, struct err *err)
{
    static const enum codec_type codecs[] = {CODEC_NONE, CODEC_ZSTD, CODEC_LZMA};
    CLEANUP(block_ids_freep) struct block_ids *ids = block_ids_new(request->id_salt);
    CLEANUP(chunk_digest_freep) struct chunk_digest *digest = chunk_digest_new();
    CLEANUP_FREE const struct pack_frame **frames =
        mem_array((size_t)index->frame_count + 1, sizeof(const struct pack_frame *));
    struct pack_frames all = {
        .data = data, .index = index, .ids = ids, .digest = digest, .frames = frames};

    for (size_t i = 0; i < ARRAY_COUNT(codecs); i++)
        if (check_frames_of(request, &all, codecs[i], err) < 0)
            return -1;
    return 0;
}
