/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/format/pack_index.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define HEAD_SIZE 8
#define FRAME_SIZE 12

void pack_index_clear(struct pack_index *index)
{
    free(index->frames);
    free(index->ids);
    *index = (struct pack_index){0};
}

/* ---- codecs as they are stored --------------------------------------------------------------- */

static const struct {
    enum codec_type codec;
    uint32_t max_blocks; /* of a frame */
} codecs[] = {
    {CODEC_NONE, LIMITS_FRAME_BLOCKS},
    {CODEC_ZSTD, LIMITS_FRAME_BLOCKS},
    {CODEC_LZMA, LIMITS_FRAME_BLOCKS_LZMA},
};
#define CODEC_COUNT (sizeof(codecs) / sizeof(codecs[0]))

static uint8_t stored_codec(enum codec_type codec)
{
    uint8_t stored = 0;

    while (codecs[stored].codec != codec)
        stored++;
    return stored;
}

/* ---- making one ------------------------------------------------------------------------------ */

/* Grows by doubling: the next power of two when count is one. */
static int make_room(void **items, uint32_t count, uint32_t more, size_t size, struct err *err)
{
    uint32_t cap = count ? 1u << (31 - __builtin_clz(count) + (count & (count - 1) ? 1 : 0)) : 0;

    if (cap >= count + more)
        return 0;
    while (cap < count + more)
        cap = cap ? cap * 2 : 64;
    void *grown = realloc(*items, (size_t)cap * size);
    if (!grown)
        return err_set_errno(err, ENOMEM, "cannot get memory for a pack's index");
    *items = grown;
    return 0;
}

bool pack_index_fits(const struct pack_index *index, uint32_t head_len, uint32_t stored_len,
                     uint32_t block_count)
{
    return index->frame_count < LIMITS_PACK_FRAMES &&
           block_count <= LIMITS_PACK_BLOCKS - index->block_count &&
           (uint64_t)head_len + index->frames_len + stored_len <= LIMITS_PACK_BODY;
}

int pack_index_add(struct pack_index *index, const struct pack_index_added *added, struct err *err)
{
    if (make_room((void **)&index->frames, index->frame_count, 1, sizeof(*index->frames), err) <
            0 ||
        make_room((void **)&index->ids, index->block_count, added->block_count, sizeof(*index->ids),
                  err) < 0)
        return -1;
    index->frames[index->frame_count++] = (struct pack_frame){
        .stored_len = added->stored_len,
        .raw_len = added->raw_len,
        .codec = added->codec,
        .block_count = added->block_count,
        .offset = index->frames_len,
        .first_block = index->block_count,
    };
    memcpy(index->ids + index->block_count, added->ids, added->block_count * sizeof(*index->ids));
    index->block_count += added->block_count;
    index->frames_len += added->stored_len;
    return 0;
}

void pack_index_format(const struct pack_index *index, struct buf *ret)
{
    buf_put_be32(ret, index->frame_count);
    buf_put_be32(ret, index->block_count);
    for (uint32_t i = 0; i < index->frame_count; i++) {
        const struct pack_frame *frame = &index->frames[i];
        buf_put_be32(ret, frame->stored_len);
        buf_put_be32(ret, frame->raw_len);
        buf_put_u8(ret, stored_codec(frame->codec));
        buf_put_u8(ret, (uint8_t)frame->block_count);
        buf_append(ret, "\0", 2);
    }
    buf_append(ret, index->ids, index->block_count * sizeof(*index->ids));
}

/* ---- reading one ----------------------------------------------------------------------------- */

static int parse_frame(struct reader *reader, const struct pack_index *index,
                       struct pack_frame *ret, struct err *err)
{
    uint32_t stored_len = reader_be32(reader);
    uint32_t raw_len = reader_be32(reader);
    uint8_t codec = reader_u8(reader);
    uint32_t blocks = reader_u8(reader);
    const uint8_t *zeros = reader_bytes(reader, 2);
    uint32_t number = index->frame_count;

    if (codec >= CODEC_COUNT)
        return err_set(err, ERR_CORRUPT, "frame %" PRIu32 ": unknown codec %u", number, codec);
    if (!zeros || zeros[0] || zeros[1])
        return err_set(err, ERR_CORRUPT, "frame %" PRIu32 ": reserved bytes are not zero", number);
    if (blocks < 1 || blocks > codecs[codec].max_blocks)
        return err_set(err, ERR_CORRUPT, "frame %" PRIu32 ": cannot have %" PRIu32 " blocks",
                       number, blocks);
    if (raw_len <= (blocks - 1) * LIMITS_BLOCK || raw_len > blocks * LIMITS_BLOCK)
        return err_set(err, ERR_CORRUPT,
                       "frame %" PRIu32 ": %" PRIu32 " bytes in %" PRIu32 " blocks", number,
                       raw_len, blocks);
    if (stored_len < 1 || stored_len > raw_len + LIMITS_FRAME_GROWTH)
        return err_set(err, ERR_CORRUPT,
                       "frame %" PRIu32 ": %" PRIu32 " bytes are stored as %" PRIu32, number,
                       raw_len, stored_len);
    if (stored_len > LIMITS_PACK_BODY - index->frames_len ||
        blocks > LIMITS_PACK_BLOCKS - index->block_count)
        return err_set(err, ERR_CORRUPT, "frame %" PRIu32 ": the pack is too large", number);
    *ret = (struct pack_frame){
        .stored_len = stored_len,
        .raw_len = raw_len,
        .codec = codecs[codec].codec,
        .block_count = blocks,
        .offset = index->frames_len,
        .first_block = index->block_count,
    };
    return 0;
}

/* The lengths, before anything is allocated by them. */
static int check_lengths(uint32_t frames, uint32_t blocks, size_t len, struct err *err)
{
    if (frames > LIMITS_PACK_FRAMES || blocks > LIMITS_PACK_BLOCKS)
        return err_set(err, ERR_CORRUPT, "too many frames or blocks: %" PRIu32 ", %" PRIu32, frames,
                       blocks);
    if (len != HEAD_SIZE + (size_t)frames * FRAME_SIZE + (size_t)blocks * ID_SIZE)
        return err_set(err, ERR_CORRUPT,
                       "%zu bytes do not hold %" PRIu32 " frames and %" PRIu32 " blocks", len,
                       frames, blocks);
    return 0;
}

int pack_index_parse(const void *data, size_t len, uint32_t frames_len, struct pack_index *ret,
                     struct err *err)
{
    struct reader reader = reader_of(data, len);
    CLEANUP_PACK_INDEX struct pack_index index = {0};
    uint32_t frames = reader_be32(&reader);
    uint32_t blocks = reader_be32(&reader);

    if (reader_check(&reader, "a pack's index", err) < 0 ||
        check_lengths(frames, blocks, len, err) < 0)
        return -1;
    index.frames = calloc(frames + 1, sizeof(*index.frames));
    index.ids = calloc(blocks + 1, sizeof(*index.ids));
    if (!index.frames || !index.ids)
        return err_set_errno(err, ENOMEM, "cannot get memory for a pack's index");
    for (uint32_t i = 0; i < frames; i++) {
        struct pack_frame *frame = &index.frames[i];
        if (parse_frame(&reader, &index, frame, err) < 0)
            return -1;
        index.frame_count++;
        index.frames_len += frame->stored_len;
        index.block_count += frame->block_count;
    }
    if (index.block_count != blocks || index.frames_len != frames_len)
        return err_set(err, ERR_CORRUPT, "its frames do not add up to the pack");
    memcpy(index.ids, reader.p, (size_t)blocks * ID_SIZE);
    *ret = index;
    index = (struct pack_index){0};
    return 0;
}

bool pack_index_codec(const struct pack_index *index, enum codec_type *ret)
{
    for (uint32_t i = 1; i < index->frame_count; i++)
        if (index->frames[i].codec != index->frames[0].codec)
            return false;
    if (index->frame_count > 0)
        *ret = index->frames[0].codec;
    return index->frame_count > 0;
}

const struct pack_frame *pack_index_frame_of(const struct pack_index *index, uint32_t block)
{
    uint32_t low = 0, high = index->frame_count;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (index->frames[middle].first_block <= block)
            low = middle;
        else
            high = middle;
    }
    return &index->frames[low];
}
