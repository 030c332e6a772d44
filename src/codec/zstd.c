/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * zstd: each piece of a chunk becomes one frame.
 */
#include "codec/backend.h"

#include <errno.h>
#include <inttypes.h>
/* For the memory figures, and to decode the start of a frame; these functions are exported by the shared
 * library. */
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include "base/array.h"
#include "base/units.h"
#include "codec/pieces.h"
#include "codec/zstd_frame.h"

/* The default chunk size. In smaller chunks the cost of each (messages, table entries, a fresh
 * dictionary) begins to show. */
#define ZSTD_CHUNK_LEAST (4 * MIB)
#define WINDOW_LOG_MIN 10
/* Hash and chain tables of a window that the user made larger stay below this. */
#define TABLE_LOG_MAX 28

struct zstd_encoder {
    ZSTD_CCtx *main;
    /* For zeros and for data that does not compress; both NULL at levels whose search skips
     * those quickly anyway. */
    ZSTD_CCtx *fast;
    struct pieces *pieces;
};

static uint64_t zstd_dictionary_step(unsigned i)
{
    unsigned log = WINDOW_LOG_MIN + i;

    return log <= ZSTD_FRAME_WINDOW_LOG_MAX ? UINT64_C(1) << log : 0;
}

static unsigned floor_log2(uint64_t value)
{
    return 63 - (unsigned)__builtin_clzll(value);
}

static unsigned grown_log(unsigned log, unsigned by)
{
    return log + by < TABLE_LOG_MAX ? log + by : TABLE_LOG_MAX;
}

/* Level 3 of libzstd keeps two tables of earlier positions, and its window ends where a disk
 * image often has its next copy. One table, which fits the caches next to the CPU, and a window
 * four times as large take two thirds of the time. Where there are copies that far away, on 1.4 GiB
 * of a file system of installed packages, that costs 1 part in a hundred of the size, on small
 * disks of one kind of content 0 to 5 (bench/levels). The search of level 3 with the larger window
 * and the smaller of its tables halved would stay within 1.01, in 0.9 to 1.0 of the time: no gain.
 * Other levels gain less than they lose. */
static ZSTD_compressionParameters parameters_of_level(const struct codec_spec *spec)
{
    ZSTD_compressionParameters own = ZSTD_getCParams((int)spec->level, 0, 0);

    if (spec->level != ZSTD_CLEVEL_DEFAULT || spec->thorough)
        return own;
    own.windowLog = 23;
    own.hashLog = 16;
    own.minMatch = 6;
    own.strategy = ZSTD_fast;
    return own;
}

/* The tables shrink and grow with the window: with tables of the same size a larger window
 * would find little more. */
static ZSTD_compressionParameters parameters_of(const struct codec_spec *spec)
{
    ZSTD_compressionParameters own = parameters_of_level(spec);
    unsigned log = spec->dict_size ? floor_log2(spec->dict_size) : own.windowLog;

    if (log < own.windowLog)
        return ZSTD_adjustCParams(own, UINT64_C(1) << log, 0);
    own.hashLog = grown_log(own.hashLog, log - own.windowLog);
    own.chainLog = grown_log(own.chainLog, log - own.windowLog);
    own.windowLog = log;
    return own;
}

static bool looks_first(const ZSTD_compressionParameters *parameters)
{
    return parameters->strategy >= ZSTD_btlazy2;
}

static uint64_t zstd_dictionary(const struct codec_spec *spec)
{
    return UINT64_C(1) << parameters_of(spec).windowLog;
}

/* Twice the window, as with lzma; a large window is enough by itself. */
static uint64_t zstd_chunk_size(const struct codec_spec *spec)
{
    unsigned factor = spec->level == ZSTD_CLEVEL_DEFAULT ? 1 : 2;
    uint64_t size = factor * zstd_dictionary(spec);

    return size > ZSTD_CHUNK_LEAST ? size : ZSTD_CHUNK_LEAST;
}

static uint64_t zstd_encoder_figure(const struct codec_spec *spec)
{
    ZSTD_compressionParameters parameters = parameters_of(spec);
    uint64_t memory = sizeof(struct zstd_encoder) + ZSTD_estimateCCtxSize_usingCParams(parameters);

    if (looks_first(&parameters))
        memory += ZSTD_estimateCCtxSize(1) + pieces_memory();
    return memory;
}

/* A whole frame is decoded at once, straight into the chunk, so no memory is needed for the
 * window. */
static uint64_t zstd_decoder_figure(const struct codec_spec *spec)
{
    (void)spec;
    return ZSTD_estimateDCtxSize();
}

static size_t zstd_result_bound(uint64_t chunk_size)
{
    return result_head_size(PIECES_MAX) + ZSTD_compressBound((size_t)chunk_size) +
           (PIECES_MAX - 1) * ZSTD_compressBound(1);
}

/* ---- encoding --------------------------------------------------------------- */

static void zstd_encoder_free(void *state)
{
    struct zstd_encoder *encoder = state;

    if (!encoder)
        return;
    ZSTD_freeCCtx(encoder->main);
    ZSTD_freeCCtx(encoder->fast);
    pieces_free(encoder->pieces);
    free(encoder);
}

struct setting {
    ZSTD_cParameter parameter;
    int value;
};

static int set_all(ZSTD_CCtx *context, const struct setting *settings, size_t count,
                   struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        size_t ret = ZSTD_CCtx_setParameter(context, settings[i].parameter, settings[i].value);
        if (ZSTD_isError(ret))
            return err_set(err, ERR_INTERNAL, "cannot set up libzstd (parameter %d to %d): %s",
                           (int)settings[i].parameter, settings[i].value, ZSTD_getErrorName(ret));
    }
    return 0;
}

static ZSTD_CCtx *context_new(int level, struct err *err)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    const struct setting settings[] = {
        {ZSTD_c_compressionLevel, level},
        {ZSTD_c_contentSizeFlag, 1},
        {ZSTD_c_checksumFlag, 1},
    };

    if (!context) {
        err_set_errno(err, ENOMEM, "cannot start an encoder");
        return NULL;
    }
    if (set_all(context, settings, ARRAY_COUNT(settings), err) < 0) {
        ZSTD_freeCCtx(context);
        return NULL;
    }
    return context;
}

static int set_parameters(ZSTD_CCtx *context, const ZSTD_compressionParameters *parameters,
                          struct err *err)
{
    const struct setting settings[] = {
        {ZSTD_c_windowLog, (int)parameters->windowLog},
        {ZSTD_c_hashLog, (int)parameters->hashLog},
        {ZSTD_c_chainLog, (int)parameters->chainLog},
        {ZSTD_c_searchLog, (int)parameters->searchLog},
        {ZSTD_c_minMatch, (int)parameters->minMatch},
        {ZSTD_c_targetLength, (int)parameters->targetLength},
        {ZSTD_c_strategy, (int)parameters->strategy},
    };

    return set_all(context, settings, ARRAY_COUNT(settings), err);
}

static void *zstd_encoder_new(const struct codec_spec *spec, uint64_t chunk_size, struct err *err)
{
    struct zstd_encoder *encoder = mem_alloc(sizeof(*encoder));
    ZSTD_compressionParameters parameters = parameters_of(spec);

    encoder->main = context_new((int)spec->level, err);
    if (!encoder->main || set_parameters(encoder->main, &parameters, err) < 0)
        goto failed;
    if (looks_first(&parameters)) {
        encoder->fast = context_new(1, err);
        if (!encoder->fast)
            goto failed;
        encoder->pieces = pieces_new(chunk_size, err);
        if (!encoder->pieces)
            goto failed;
    }
    return encoder;

failed:
    zstd_encoder_free(encoder);
    return NULL;
}

static int zstd_encode(void *state, struct encode_job *job, struct err *err)
{
    struct zstd_encoder *encoder = state;
    struct piece pieces[PIECES_MAX] = {{.len = job->raw_len}};
    size_t count = 1;
    const uint8_t *raw = job->raw;

    if (encoder->pieces)
        count = pieces_cut(encoder->pieces, raw, job->raw_len, pieces);
    size_t pos = result_head_size((uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        ZSTD_CCtx *context = pieces[i].kind == PIECE_ENCODED ? encoder->main : encoder->fast;
        size_t len = ZSTD_compress2(context, job->result + pos, job->cap - pos, raw, pieces[i].len);
        if (ZSTD_isError(len))
            return err_set(err, ERR_INTERNAL, "cannot compress: %s", ZSTD_getErrorName(len));
        result_put_entry(job->result, (uint32_t)i, (uint32_t)len, (uint32_t)pieces[i].len);
        pos += len;
        raw += pieces[i].len;
    }
    job->block_count = (uint32_t)count;
    job->len = pos;
    return 0;
}

/* ---- decoding --------------------------------------------------------------- */

static void *zstd_decoder_new(uint64_t chunk_size, uint64_t memory_limit, struct err *err)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();

    (void)chunk_size;
    (void)memory_limit;
    if (!context)
        err_set_errno(err, ENOMEM, "cannot start a decoder");
    return context;
}

static void zstd_decoder_free(void *state)
{
    ZSTD_freeDCtx(state);
}

static int zstd_decode(void *state, const struct result_block *block, uint8_t *ret_raw,
                       struct err *err)
{
    if (zstd_frame_check(block, err) < 0)
        return -1;

    size_t len =
        ZSTD_decompressDCtx(state, ret_raw, block->raw_len, block->data, block->stored_len);
    if (ZSTD_isError(len))
        return err_set(err, ERR_CORRUPT, "a damaged zstd frame: %s", ZSTD_getErrorName(len));
    if (len != block->raw_len)
        return err_set(err, ERR_CORRUPT,
                       "a zstd frame decodes to %zu bytes, but %" PRIu32 " were announced", len,
                       block->raw_len);
    return 0;
}

static int zstd_decode_start(void *state, const struct result_block *block, uint8_t *ret_raw,
                             size_t len, struct err *err)
{
    const uint8_t *data = block->data;
    size_t left = block->stored_len, done = 0;

    if (zstd_frame_check(block, err) < 0)
        return -1;
    size_t got = ZSTD_decompressBegin(state);
    while (!ZSTD_isError(got) && done < len) {
        size_t next = ZSTD_nextSrcSizeToDecompress(state);
        if (next == 0 || next > left)
            return err_set(err, ERR_CORRUPT, "a damaged zstd frame: it ends too early");
        got = ZSTD_decompressContinue(state, ret_raw + done, block->raw_len - done, data, next);
        data += next;
        left -= next;
        done += ZSTD_isError(got) ? 0 : got;
    }
    return ZSTD_isError(got)
               ? err_set(err, ERR_CORRUPT, "a damaged zstd frame: %s", ZSTD_getErrorName(got))
               : 0;
}

const struct codec_backend codec_backend_zstd = {
    .dictionary = zstd_dictionary,
    .dictionary_step = zstd_dictionary_step,
    .chunk_size = zstd_chunk_size,
    .encoder_memory = zstd_encoder_figure,
    .decoder_memory = zstd_decoder_figure,
    .result_bound = zstd_result_bound,
    .encoder_new = zstd_encoder_new,
    .encode = zstd_encode,
    .encoder_free = zstd_encoder_free,
    .decoder_new = zstd_decoder_new,
    .decode = zstd_decode,
    .decode_start = zstd_decode_start,
    .decoder_free = zstd_decoder_free,
};
