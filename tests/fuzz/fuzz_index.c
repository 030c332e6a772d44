/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The index of a pack, alone and in a pack, whose SHA-256 is corrected. The first byte chooses.
 */
#include "fuzz.h"

#include <string.h>

#include "repository/format/pack.h"

static void check_index(const struct pack_index *index, uint32_t frames_len, const uint8_t *data,
                        size_t len)
{
    CLEANUP_BUF struct buf again = {0};
    uint32_t blocks = 0, end = 0;

    for (uint32_t i = 0; i < index->frame_count; i++) {
        const struct pack_frame *frame = &index->frames[i];
        FUZZ_CHECK(frame->offset == end && frame->first_block == blocks);
        FUZZ_CHECK(frame->block_count >= 1 && frame->block_count <= LIMITS_FRAME_BLOCKS_LZMA);
        FUZZ_CHECK(frame->codec == CODEC_LZMA || frame->block_count <= LIMITS_FRAME_BLOCKS);
        FUZZ_CHECK(frame->raw_len > 0 && frame->raw_len <= frame->block_count * LIMITS_BLOCK);
        FUZZ_CHECK(frame->stored_len > 0 &&
                   frame->stored_len <= frame->raw_len + LIMITS_FRAME_GROWTH);
        end += frame->stored_len;
        blocks += frame->block_count;
        FUZZ_CHECK(pack_index_frame_of(index, frame->first_block) == frame);
        FUZZ_CHECK(pack_index_frame_of(index, blocks - 1) == frame);
    }
    FUZZ_CHECK(end == frames_len && end == index->frames_len && blocks == index->block_count);
    FUZZ_CHECK(end <= LIMITS_PACK_BODY && blocks <= LIMITS_PACK_BLOCKS);
    pack_index_format(index, &again);
    FUZZ_CHECK(again.len == len && memcmp(again.data, data, len) == 0);
}

static void try_index(const uint8_t *data, size_t len, uint32_t frames_len)
{
    CLEANUP_PACK_INDEX struct pack_index index = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    if (pack_index_parse(data, len, frames_len, &index, &err) == 0)
        check_index(&index, frames_len, data, len);
    else
        FUZZ_CHECK(err.text && err.kind == ERR_CORRUPT);
}

static void try_pack(const uint8_t *data, size_t len)
{
    CLEANUP_BUF struct buf copy = {0};
    CLEANUP_PACK_INDEX struct pack_index index = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    struct pack_id id = {0};
    struct pack_digest digest;

    buf_append(&copy, data, len);
    if (len >= PACK_HEAD_SIZE + DIGEST_SIZE) {
        memcpy(id.repository.bytes, data + 8, ID_SIZE);
        memcpy(id.session.bytes, data + 24, ID_SIZE);
        id.number = get_be32(data + 40);
        digest_of(copy.data, len - DIGEST_SIZE, copy.data + len - DIGEST_SIZE);
    }
    if (pack_parse(copy.data, len, &id, &index, &digest, &err) < 0) {
        FUZZ_CHECK(err.text && (err.kind == ERR_CORRUPT || err.kind == ERR_UNSUPPORTED));
        return;
    }
    FUZZ_CHECK(digest.size == len && pack_digest_check(&digest, NULL) == 0);
    FUZZ_CHECK(digest.block_count == index.block_count);
    check_index(&index, digest.index_offset - PACK_HEAD_SIZE, copy.data + digest.index_offset,
                len - PACK_TAIL_SIZE - digest.index_offset);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};

    if (fuzz_u8(&input) & 1) {
        try_pack(input.p, input.left);
    } else {
        uint32_t frames_len = fuzz_u32(&input);
        try_index(input.p, input.left, frames_len);
    }
    return 0;
}
