/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec/result.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/digest.h"
#include "codec/codec.h"

_Static_assert(RESULT_HEAD_SIZE == DIGEST_SIZE + 8, "digest, raw length, number of blocks");

/* Neither sum can wrap: there are at most 2^17 blocks of less than 2^32 bytes. */
static int check_entries(const struct result *result, struct err *err)
{
    uint64_t stored_sum = 0;
    uint64_t raw_sum = 0;

    for (uint32_t i = 0; i < result->block_count; i++) {
        const uint8_t *entry = result->entries + (size_t)i * RESULT_ENTRY_SIZE;
        uint32_t stored_len = get_be32(entry);
        uint32_t raw_len = get_be32(entry + 4);

        if (raw_len == 0)
            return err_set(err, ERR_CORRUPT, "block %" PRIu32 " of a result is empty", i + 1);
        if (result->outline && stored_len != 0 && stored_len != raw_len)
            return err_set(err, ERR_CORRUPT,
                           "block %" PRIu32 " of an outline stores %" PRIu32 " bytes for %" PRIu32,
                           i + 1, stored_len, raw_len);
        stored_sum += stored_len;
        raw_sum += raw_len;
    }
    if (!result->outline && stored_sum != result->blocks_len)
        return err_set(err, ERR_CORRUPT,
                       "the blocks of a result have %zu bytes, but its table says %" PRIu64,
                       result->blocks_len, stored_sum);
    if (raw_sum != result->raw_len)
        return err_set(err, ERR_CORRUPT,
                       "the blocks of a result decode to %" PRIu64
                       " bytes, but its head says %" PRIu32,
                       raw_sum, result->raw_len);
    return 0;
}

/* Where the blocks are, if not after the table. */
struct elsewhere {
    const void *data; /* NULL: after it */
    size_t len;       /* of a chunk it is not looked at */
    bool outline;
};

static int parse_result(struct reader reader, struct elsewhere blocks, struct result *ret,
                        struct err *err)
{
    struct result result = {.outline = blocks.outline};

    result.digest = reader_bytes(&reader, DIGEST_SIZE);
    result.raw_len = reader_be32(&reader);
    result.block_count = reader_be32(&reader);
    if (reader_check(&reader, "the head of a result", err) < 0)
        return -1;
    if (result.raw_len < 1 || result.raw_len > CODEC_CHUNK_MAX)
        return err_set(err, ERR_CORRUPT, "a result for a chunk of %" PRIu32 " bytes",
                       result.raw_len);
    if (result.block_count < 1 || result.block_count > RESULT_MAX_BLOCKS)
        return err_set(err, ERR_CORRUPT, "a result of %" PRIu32 " blocks", result.block_count);
    result.entries = reader_bytes(&reader, (size_t)result.block_count * RESULT_ENTRY_SIZE);
    if (reader_check(&reader, "the table of a result", err) < 0)
        return -1;
    if (result.outline && reader.left > 0)
        return err_set(err, ERR_CORRUPT, "%zu bytes follow an outline", reader.left);
    result.blocks = blocks.data ? blocks.data : reader.p;
    result.blocks_len = blocks.data ? blocks.len : reader.left;
    if (check_entries(&result, err) < 0)
        return -1;
    *ret = result;
    return 0;
}

int result_parse(const void *data, size_t len, struct result *ret, struct err *err)
{
    return parse_result(reader_of(data, len), (struct elsewhere){0}, ret, err);
}

int result_parse_outline(const void *outline, size_t len, const void *raw, struct result *ret,
                         struct err *err)
{
    return parse_result(reader_of(outline, len), (struct elsewhere){raw, 0, true}, ret, err);
}

int result_parse_shared(const void *data, size_t len, const void *raw, struct buf *table,
                        struct result *ret, struct err *err)
{
    size_t head = len < RESULT_HEAD_SIZE ? len : RESULT_HEAD_SIZE;

    table->len = 0;
    buf_append(table, data, head);
    if (head == RESULT_HEAD_SIZE) {
        uint32_t count = get_be32(table->data + DIGEST_SIZE + 4);
        head = result_head_size(count <= RESULT_MAX_BLOCKS ? count : 0);
        if (raw || head > len)
            head = len;
        buf_append(table, (const uint8_t *)data + table->len, head - table->len);
    }
    struct elsewhere blocks = {(const uint8_t *)data + head, len - head, false};
    if (raw)
        blocks = (struct elsewhere){raw, 0, true};
    return parse_result(reader_of(table->data, table->len), blocks, ret, err);
}

bool result_next(const struct result *result, struct result_cursor *cursor,
                 struct result_block *ret)
{
    if (cursor->index >= result->block_count)
        return false;

    const uint8_t *entry = result->entries + (size_t)cursor->index * RESULT_ENTRY_SIZE;
    ret->stored_len = get_be32(entry);
    ret->raw_len = get_be32(entry + 4);
    ret->data = ret->stored_len ? result->blocks + cursor->offset : NULL;
    cursor->index++;
    cursor->offset += result->outline ? ret->raw_len : ret->stored_len;
    return true;
}

size_t result_head_size(uint32_t block_count)
{
    return RESULT_HEAD_SIZE + (size_t)block_count * RESULT_ENTRY_SIZE;
}

void result_put_head(void *result, const uint8_t *digest, uint32_t raw_len, uint32_t block_count)
{
    uint8_t *head = result;

    memcpy(head, digest, DIGEST_SIZE);
    set_be32(head + DIGEST_SIZE, raw_len);
    set_be32(head + DIGEST_SIZE + 4, block_count);
}

void result_put_entry(void *result, uint32_t index, uint32_t stored_len, uint32_t raw_len)
{
    uint8_t *entry = (uint8_t *)result + result_head_size(index);

    set_be32(entry, stored_len);
    set_be32(entry + 4, raw_len);
}
