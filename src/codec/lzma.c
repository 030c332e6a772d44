/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * lzma: each piece of a chunk becomes one whole .xz Block.
 */
#include "codec/backend.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <lzma.h>
#include <string.h>

#include "base/large_pages.h"
#include "base/units.h"
#include "codec/pieces.h"
#include "codec/xz_block.h"
#include "codec/xz_chain.h"

/* Of chunks by default. */
#define LZMA_CHUNK_LEAST (16 * MIB)

/* Blocks of zeros of 1, 2, 4 ... segments: any run is made of them, each at most once. */
#define ZERO_BLOCKS 12
/* What all of them take together: LZMA shrinks zeros to 1/6400, and each block has its frame. */
#define ZERO_BLOCKS_MEMORY (UINT64_C(128) << 10)
#define BLOCKS_MAX (PIECES_MAX * ZERO_BLOCKS)

_Static_assert(PIECES_SEGMENT << (ZERO_BLOCKS - 1) == CODEC_CHUNK_MAX, "the longest run of zeros");

struct zero_block {
    uint8_t *data; /* NULL until such a run was met */
    size_t len;
};

struct lzma_encoder {
    lzma_stream stream; /* kept: liblzma reuses its memory if the dictionary size is the same */
    struct pieces *pieces;
    struct xz_chain *chain;
    struct zero_block zeros[ZERO_BLOCKS];
};

struct lzma_decoder {
    lzma_stream stream; /* kept, as above */
    uint64_t memory_limit;
};

/* Sizes that the LZMA2 header can express: 2^n and 2^n + 2^(n-1), from 4 KiB to the largest
 * chunk, which is as far as a dictionary can reach. */
static uint64_t lzma_dictionary_step(unsigned i)
{
    uint64_t size = (uint64_t)LZMA_DICT_SIZE_MIN << (i / 2);

    if (i % 2)
        size += size / 2;
    return size <= CODEC_CHUNK_MAX ? size : 0;
}

static uint64_t lzma_dictionary(const struct codec_spec *spec)
{
    lzma_options_lzma options;

    xz_chain_options(spec, &options);
    return options.dict_size;
}

/* Twice the dictionary. An encoder that starts afresh in each chunk then makes a disk one or two
 * per cent larger. Memory images repeat themselves more: at level 3, that of a guest which had
 * read files grew by 29 % in chunks of 8 MiB, and by 3 % in chunks of 16 MiB. */
static uint64_t lzma_chunk_size(const struct codec_spec *spec)
{
    uint64_t size = 2 * lzma_dictionary(spec);

    return size > LZMA_CHUNK_LEAST ? size : LZMA_CHUNK_LEAST;
}

static uint64_t lzma_encoder_figure(const struct codec_spec *spec)
{
    return xz_chain_encoder_memory(spec) + pieces_memory() + sizeof(struct lzma_encoder) +
           ZERO_BLOCKS_MEMORY;
}

static uint64_t lzma_decoder_figure(const struct codec_spec *spec)
{
    return xz_chain_decoder_memory(spec) + sizeof(struct lzma_decoder);
}

static size_t lzma_result_bound(uint64_t chunk_size)
{
    return result_head_size(BLOCKS_MAX) + lzma_block_buffer_bound((size_t)chunk_size) +
           (BLOCKS_MAX - 1) * lzma_block_buffer_bound(1);
}

/* ---- encoding --------------------------------------------------------------- */

static void *allocate_for_lzma(void *opaque, size_t count, size_t size)
{
    (void)opaque;
    return size > 0 && count > SIZE_MAX / size ? NULL : large_pages_malloc(count * size);
}

static void give_memory(void *opaque, void *memory)
{
    (void)opaque;
    free(memory);
}

static const lzma_allocator allocator = {.alloc = allocate_for_lzma, .free = give_memory};

static void lzma_encoder_free(void *state)
{
    struct lzma_encoder *encoder = state;

    if (!encoder)
        return;
    lzma_end(&encoder->stream);
    pieces_free(encoder->pieces);
    xz_chain_free(encoder->chain);
    for (size_t i = 0; i < ZERO_BLOCKS; i++)
        free(encoder->zeros[i].data);
    free(encoder);
}

static void *lzma_encoder_new(const struct codec_spec *spec, uint64_t chunk_size, struct err *err)
{
    struct lzma_encoder *encoder = mem_alloc(sizeof(*encoder));

    encoder->stream = (lzma_stream)LZMA_STREAM_INIT;
    encoder->stream.allocator = &allocator;
    encoder->pieces = pieces_new(chunk_size, err);
    if (encoder->pieces)
        encoder->chain = xz_chain_new(spec, chunk_size, err);
    if (!encoder->chain) {
        lzma_encoder_free(encoder);
        return NULL;
    }
    return encoder;
}

/* The header comes first but holds the compressed size, so room is left for it and it is
 * written last. Returns LZMA_BUF_ERROR, as liblzma does, if the block would be larger than
 * its raw bytes. */
static lzma_ret compress_block(struct lzma_encoder *encoder, lzma_block *block, const uint8_t *raw,
                               uint8_t *out, size_t cap)
{
    size_t limit = (size_t)block->uncompressed_size;

    if (limit > cap)
        limit = cap;
    lzma_ret ret = lzma_block_header_size(block);
    if (ret != LZMA_OK)
        return ret;
    if (block->header_size >= limit)
        return LZMA_BUF_ERROR;
    ret = lzma_block_encoder(&encoder->stream, block);
    if (ret != LZMA_OK)
        return ret;
    encoder->stream.next_in = raw;
    encoder->stream.avail_in = (size_t)block->uncompressed_size;
    encoder->stream.next_out = out + block->header_size;
    encoder->stream.avail_out = limit - block->header_size;
    ret = lzma_code(&encoder->stream, LZMA_FINISH);
    if (ret == LZMA_OK)
        return LZMA_BUF_ERROR;
    if (ret != LZMA_STREAM_END)
        return ret;
    return lzma_block_header_encode(block, out);
}

static int encode_block(struct lzma_encoder *encoder, lzma_filter *filters,
                        const struct piece *piece, const uint8_t *raw, uint8_t *out, size_t cap,
                        size_t *ret_len, struct err *err)
{
    lzma_block block = {.version = 1, .check = LZMA_CHECK_CRC64, .filters = filters};
    lzma_ret ret = LZMA_BUF_ERROR;
    size_t len = 0;

    block.compressed_size = lzma_block_buffer_bound(piece->len);
    block.uncompressed_size = piece->len;
    if (piece->kind != PIECE_STORED)
        ret = compress_block(encoder, &block, raw, out, cap);
    if (ret == LZMA_BUF_ERROR)
        ret = lzma_block_uncomp_encode(&block, raw, piece->len, out, &len, cap);
    else
        len = (size_t)lzma_block_total_size(&block);
    if (ret == LZMA_MEM_ERROR)
        return err_set_errno(err, ENOMEM, "cannot compress");
    if (ret != LZMA_OK)
        return err_set(err, ERR_INTERNAL, "cannot compress: liblzma answers %d", (int)ret);
    *ret_len = len;
    return 0;
}

/* A run of zeros, from a ready-made block; it is made when first needed. */
static int encode_zeros(struct lzma_encoder *encoder, const struct piece *piece, const uint8_t *raw,
                        uint8_t *out, size_t cap, size_t *ret_len, struct err *err)
{
    struct zero_block *block = &encoder->zeros[__builtin_ctzll(piece->len / PIECES_SEGMENT)];

    if (!block->data) {
        if (encode_block(encoder, xz_chain_plain(encoder->chain), piece, raw, out, cap, &block->len,
                         err) < 0)
            return -1;
        block->data = mem_alloc(block->len);
        memcpy(block->data, out, block->len);
    }
    assert(block->len <= cap);
    memcpy(out, block->data, block->len);
    *ret_len = block->len;
    return 0;
}

/* Cuts runs of zeros to lengths for which there is a ready-made block. */
static size_t cut_zeros(const struct piece *pieces, size_t count,
                        struct piece ret[static BLOCKS_MAX])
{
    size_t blocks = 0;

    for (size_t i = 0; i < count; i++) {
        size_t left = pieces[i].len;
        while (pieces[i].kind == PIECE_ZEROS && left >= PIECES_SEGMENT) {
            size_t len = PIECES_SEGMENT << (63 - __builtin_clzll(left / PIECES_SEGMENT));
            ret[blocks++] = (struct piece){.len = len, .kind = PIECE_ZEROS};
            left -= len;
        }
        /* the short last segment of an image */
        enum piece_kind kind = pieces[i].kind == PIECE_ZEROS ? PIECE_ENCODED : pieces[i].kind;
        if (left > 0)
            ret[blocks++] = (struct piece){.len = left, .kind = kind};
    }
    return blocks;
}

static int lzma_encode(void *state, struct encode_job *job, struct err *err)
{
    struct lzma_encoder *encoder = state;
    struct piece pieces[PIECES_MAX];
    struct piece blocks[BLOCKS_MAX];
    size_t count = pieces_cut(encoder->pieces, job->raw, job->raw_len, pieces);
    const struct xz_chain_chunk chunk = {job->raw, pieces, count};
    lzma_filter *filters = xz_chain_choose(encoder->chain, &chunk, err);

    if (!filters)
        return -1;

    count = cut_zeros(pieces, count, blocks);
    size_t pos = result_head_size((uint32_t)count);
    const uint8_t *raw = job->raw;
    for (size_t i = 0; i < count; i++) {
        size_t len = 0;
        uint8_t *out = job->result + pos;
        size_t room = job->cap - pos;
        int failed = blocks[i].kind == PIECE_ZEROS
                         ? encode_zeros(encoder, &blocks[i], raw, out, room, &len, err)
                         : encode_block(encoder, filters, &blocks[i], raw, out, room, &len, err);
        if (failed)
            return -1;
        result_put_entry(job->result, (uint32_t)i, (uint32_t)len, (uint32_t)blocks[i].len);
        pos += len;
        raw += blocks[i].len;
    }
    job->block_count = (uint32_t)count;
    job->len = pos;
    return 0;
}

/* ---- decoding --------------------------------------------------------------- */

static void *lzma_decoder_new(uint64_t chunk_size, uint64_t memory_limit, struct err *err)
{
    struct lzma_decoder *decoder = mem_alloc(sizeof(*decoder));

    (void)chunk_size;
    (void)err;
    decoder->stream = (lzma_stream)LZMA_STREAM_INIT;
    decoder->memory_limit = memory_limit;
    return decoder;
}

static void lzma_decoder_free(void *state)
{
    struct lzma_decoder *decoder = state;

    if (!decoder)
        return;
    lzma_end(&decoder->stream);
    free(decoder);
}

static int decode_body(lzma_stream *stream, lzma_block *block, const struct result_block *stored,
                       uint8_t *ret_raw, struct err *err)
{
    lzma_ret ret = lzma_block_decoder(stream, block);

    if (ret != LZMA_OK)
        return xz_block_error(ret, "an .xz block", err);
    stream->next_in = stored->data + block->header_size;
    stream->avail_in = stored->stored_len - block->header_size;
    stream->next_out = ret_raw;
    stream->avail_out = stored->raw_len;
    ret = lzma_code(stream, LZMA_FINISH);
    if (ret != LZMA_STREAM_END || stream->avail_in > 0 || stream->avail_out > 0)
        return xz_block_error(ret, "an .xz block", err);
    return 0;
}

static int lzma_decode(void *state, const struct result_block *stored, uint8_t *ret_raw,
                       struct err *err)
{
    struct lzma_decoder *decoder = state;
    struct xz_block xz;

    if (xz_block_decode_header(&xz, stored, decoder->memory_limit, err) < 0)
        return -1;
    int result = decode_body(&decoder->stream, &xz.block, stored, ret_raw, err);
    xz_block_clear(&xz);
    return result;
}

const struct codec_backend codec_backend_lzma = {
    .dictionary = lzma_dictionary,
    .dictionary_step = lzma_dictionary_step,
    .chunk_size = lzma_chunk_size,
    .encoder_memory = lzma_encoder_figure,
    .decoder_memory = lzma_decoder_figure,
    .result_bound = lzma_result_bound,
    .encoder_new = lzma_encoder_new,
    .encode = lzma_encode,
    .encoder_free = lzma_encoder_free,
    .decoder_new = lzma_decoder_new,
    .decode = lzma_decode,
    .decoder_free = lzma_decoder_free,
};
