/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A result: what a child process makes of one chunk, and what it takes to get
 * the chunk back. All integers big-endian:
 *
 *   digest of the raw chunk       32 bytes (codec/chunk_digest.h); all zeros: not known
 *                                 (decoding, or if whoever stores it puts it there)
 *   raw length                     4
 *   number of blocks n             4
 *   n x { stored length 4, raw length 4 }
 *   the blocks, one after the other
 *
 * A block is, by codec: lzma - one whole .xz Block (header with both sizes,
 * data, padding, CRC64); zstd - one whole zstd frame with its content size and
 * checksum; none - the bytes themselves, or, with stored length 0, a run of
 * `raw length` zeros. Raw lengths add up to the chunk's.
 *
 * An outline is a result of codec none that ends with its table: the raw chunk
 * lies elsewhere, and the bytes of a block are those at its place in there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define RESULT_HEAD_SIZE 40
#define RESULT_ENTRY_SIZE 8
/* More blocks than a chunk of the largest size cut at 4 KiB could have are refused. */
#define RESULT_MAX_BLOCKS (UINT32_C(1) << 17)

struct result {            /* borrows the memory it was parsed from */
    const uint8_t *digest; /* DIGEST_SIZE bytes */
    uint32_t raw_len;
    uint32_t block_count;
    const uint8_t *entries; /* block_count x RESULT_ENTRY_SIZE */
    const uint8_t *blocks;
    size_t blocks_len;
    bool outline; /* blocks is the raw chunk */
};

struct result_block {
    const uint8_t *data; /* NULL when stored_len is 0 */
    uint32_t stored_len;
    uint32_t raw_len;
};

/* Checks all counts and lengths against len and each other (corrupt). */
int result_parse(const void *data, size_t len, struct result *ret, struct err *err);
/* The same of an outline. raw: the chunk that it is of, of as many bytes as its head says. */
int result_parse_outline(const void *outline, size_t len, const void *raw, struct result *ret,
                         struct err *err);
/* The same of a result (raw: NULL) or an outline in memory that somebody else can write: head
 * and table are copied to *table first (the caller's, emptied here), which *ret borrows too.
 * So the lengths stay as they were checked; the bytes of the blocks may change. */
int result_parse_shared(const void *data, size_t len, const void *raw, struct buf *table,
                        struct result *ret, struct err *err);
/* Walks the blocks: set *cursor to a zeroed struct; false at the end. */
struct result_cursor {
    uint32_t index;
    size_t offset; /* in blocks */
};
bool result_next(const struct result *result, struct result_cursor *cursor,
                 struct result_block *ret);
/* Size of head and table for block_count blocks. */
size_t result_head_size(uint32_t block_count);
/* Writes the head; entries and blocks are the caller's to fill. */
void result_put_head(void *result, const uint8_t *digest, uint32_t raw_len, uint32_t block_count);
void result_put_entry(void *result, uint32_t index, uint32_t stored_len, uint32_t raw_len);
