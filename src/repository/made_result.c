/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/made_result.h"

#include <string.h>

#include "repository/format/limits.h"

int made_result_parse(const struct chunk_output *output, struct buf *table, struct result *ret,
                      size_t *ret_len, struct err *err)
{
    struct result_cursor cursor = {0};
    struct result_block block;

    if (result_parse_shared(output->data, output->len, output->raw, table, ret, err) < 0)
        return -1;
    if (ret->raw_len != output->raw_len)
        return err_set(err, ERR_CORRUPT, "a child's result is for %u bytes, but it was given %u",
                       ret->raw_len, output->raw_len);
    *ret_len = result_head_size(ret->block_count);
    while (result_next(ret, &cursor, &block))
        *ret_len += block.stored_len;
    if (*ret_len > (size_t)ret->raw_len + LIMITS_FRAME_GROWTH)
        return err_set(err, ERR_CORRUPT, "a child has made %zu bytes of %u", *ret_len,
                       ret->raw_len);
    return 0;
}

void made_result_write(const struct result *result, const uint8_t *digest, uint8_t *to)
{
    struct result_cursor cursor = {0};
    struct result_block block;

    /* a result begins with its digest */
    memcpy(to, result->digest, result_head_size(result->block_count));
    memcpy(to, digest, DIGEST_SIZE);
    to += result_head_size(result->block_count);
    while (result_next(result, &cursor, &block)) {
        if (block.stored_len > 0)
            to = mempcpy(to, block.data, block.stored_len);
    }
}
