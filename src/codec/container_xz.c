/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The .xz framing: xz file format 1.1.0, one stream, CRC64, no padding.
 */
#include "codec/container_format.h"

#include <errno.h>
#include <inttypes.h>
#include <lzma.h>
#include <string.h>

#include "base/units.h"
#include "codec/xz_block.h"

#define HEADER_SIZE LZMA_STREAM_HEADER_SIZE
#define INDEX_PIECE ((size_t)64 << 10)
/* A dictionary as large as the largest chunk, and what liblzma needs besides. */
#define BLOCK_MEMORY_MAX (CODEC_CHUNK_MAX + MIB)
/* An Index Record is two numbers of at least one byte each. */
#define INDEX_RECORD_MIN 2

/* ---- writing ---------------------------------------------------------------- */

struct xz_writer {
    lzma_index *index;
};

static void xz_writer_free(void *state)
{
    struct xz_writer *writer = state;

    if (!writer)
        return;
    lzma_index_end(writer->index, NULL);
    free(writer);
}

static void *xz_writer_new(void)
{
    struct xz_writer *writer = mem_alloc(sizeof(*writer));

    writer->index = lzma_index_init(NULL);
    if (!writer->index) {
        xz_writer_free(writer);
        return NULL;
    }
    return writer;
}

static int write_error(lzma_ret ret, struct err *err)
{
    if (ret == LZMA_MEM_ERROR)
        return err_set_errno(err, ENOMEM, "cannot write the .xz index");
    if (ret == LZMA_DATA_ERROR)
        return err_set(err, ERR_UNSUPPORTED, "larger than an .xz file can be");
    return err_set(err, ERR_INTERNAL, "cannot write the .xz index: liblzma answers %d", (int)ret);
}

static int xz_begin(void *state, struct buf *out, struct err *err)
{
    const lzma_stream_flags flags = {.check = LZMA_CHECK_CRC64};
    lzma_ret ret = lzma_stream_header_encode(&flags, buf_reserve(out, HEADER_SIZE));

    (void)state;
    if (ret != LZMA_OK)
        return write_error(ret, err);
    out->len += HEADER_SIZE;
    return 0;
}

static int xz_add(void *state, const struct result_block *block, struct err *err)
{
    struct xz_writer *writer = state;
    struct xz_block xz;

    if (xz_block_decode_header(&xz, block, BLOCK_MEMORY_MAX, err) < 0)
        return -1;
    lzma_ret ret = lzma_index_append(writer->index, NULL, lzma_block_unpadded_size(&xz.block),
                                     xz.block.uncompressed_size);
    xz_block_clear(&xz);
    return ret == LZMA_OK ? 0 : write_error(ret, err);
}

static int xz_end(void *state, struct buf *out, struct err *err)
{
    struct xz_writer *writer = state;
    lzma_stream_flags flags = {.check = LZMA_CHECK_CRC64};
    size_t size = (size_t)lzma_index_size(writer->index);
    size_t len = 0;

    flags.backward_size = size;
    lzma_ret ret = lzma_index_buffer_encode(writer->index, buf_reserve(out, size), &len, size);
    if (ret != LZMA_OK)
        return write_error(ret, err);
    out->len += len;
    ret = lzma_stream_footer_encode(&flags, buf_reserve(out, HEADER_SIZE));
    if (ret != LZMA_OK)
        return write_error(ret, err);
    out->len += HEADER_SIZE;
    return 0;
}

/* ---- reading ---------------------------------------------------------------- */

static int read_flags(const struct container_place *place, lzma_stream_flags *ret_footer,
                      struct err *err)
{
    uint8_t data[HEADER_SIZE];
    lzma_stream_flags header;

    if (place->size < 2 * HEADER_SIZE + LZMA_BACKWARD_SIZE_MIN || place->size % 4 != 0)
        return err_set(err, ERR_CORRUPT, "not an .xz file: %" PRIu64 " bytes", place->size);
    if (container_pread(place, 0, data, sizeof(data), err) < 0)
        return -1;
    lzma_ret ret = lzma_stream_header_decode(&header, data);
    if (ret != LZMA_OK)
        return xz_block_error(ret, "the .xz header", err);
    if (container_pread(place, place->size - HEADER_SIZE, data, sizeof(data), err) < 0)
        return -1;
    ret = lzma_stream_footer_decode(ret_footer, data);
    if (ret != LZMA_OK)
        return xz_block_error(ret, "the .xz footer", err);
    if (lzma_stream_flags_compare(&header, ret_footer) != LZMA_OK)
        return err_set(err, ERR_CORRUPT, "the .xz header and footer contradict each other");
    if (header.check != LZMA_CHECK_CRC64)
        return err_set(err, ERR_CORRUPT, "its integrity check is not CRC64");
    if (ret_footer->backward_size > place->size - 2 * HEADER_SIZE)
        return err_set(err, ERR_CORRUPT, "the .xz index is larger than the file");
    return 0;
}

/* Feeds index_size bytes, which end where the footer starts, to the decoder. */
static int decode_index(lzma_stream *stream, const struct container_place *place,
                        uint64_t index_size, struct err *err)
{
    uint8_t *piece CLEANUP_FREE = mem_array(INDEX_PIECE, 1);
    uint64_t offset = place->size - HEADER_SIZE - index_size;
    uint64_t left = index_size;
    lzma_ret ret = LZMA_OK;

    while (left > 0 && ret == LZMA_OK) {
        size_t len = left < INDEX_PIECE ? (size_t)left : INDEX_PIECE;
        if (container_pread(place, offset, piece, len, err) < 0)
            return -1;
        stream->next_in = piece;
        stream->avail_in = len;
        ret = lzma_code(stream, LZMA_RUN);
        offset += len;
        left -= len;
    }
    if (ret != LZMA_STREAM_END || left > 0 || stream->avail_in > 0)
        return xz_block_error(ret, "the .xz index", err);
    return 0;
}

static int read_xz_index(const struct container_place *place, uint64_t index_size, lzma_index **ret,
                         struct err *err)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    uint64_t records = index_size / INDEX_RECORD_MIN;

    if (records > CONTAINER_MAX_BLOCKS)
        records = CONTAINER_MAX_BLOCKS;
    *ret = NULL;
    lzma_ret init = lzma_index_decoder(&stream, ret, lzma_index_memusage(1, records));
    if (init != LZMA_OK)
        return xz_block_error(init, "the .xz index", err);
    int result = decode_index(&stream, place, index_size, err);
    lzma_end(&stream);
    return result;
}

/* liblzma reports the blocks one after the other, starting after the stream header. */
static int list_blocks(const lzma_index *from, const struct container_place *place,
                       struct container_index *ret, struct err *err)
{
    lzma_index_iter iter;

    if (lzma_index_file_size(from) != place->size)
        return err_set(err, ERR_CORRUPT,
                       "its index describes an .xz file of %" PRIu64 " bytes, but it has %" PRIu64,
                       (uint64_t)lzma_index_file_size(from), place->size);
    if (container_index_reserve(ret, lzma_index_block_count(from), err) < 0)
        return -1;
    lzma_index_iter_init(&iter, from);
    while (!lzma_index_iter_next(&iter, LZMA_INDEX_ITER_BLOCK))
        if (container_index_append(ret, iter.block.compressed_file_offset, iter.block.total_size,
                                   iter.block.uncompressed_size, err) < 0)
            return -1;
    return 0;
}

static int xz_read(const struct container_place *place, struct container_index *ret,
                   struct err *err)
{
    lzma_stream_flags footer;
    lzma_index *index = NULL;

    if (read_flags(place, &footer, err) < 0)
        return -1;
    int result = read_xz_index(place, footer.backward_size, &index, err);
    if (result == 0)
        result = list_blocks(index, place, ret, err);
    lzma_index_end(index, NULL);
    return result;
}

static bool xz_starts(const uint8_t *data)
{
    static const uint8_t magic[] = {0xfd, '7', 'z', 'X', 'Z', 0};

    return memcmp(data, magic, sizeof(magic)) == 0;
}

const struct container_format container_format_xz = {
    .writer_new = xz_writer_new,
    .begin = xz_begin,
    .add = xz_add,
    .end = xz_end,
    .writer_free = xz_writer_free,
    .starts = xz_starts,
    .read = xz_read,
};
