/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The codec that stores: bytes as they are, runs of zeros as their length.
 */
#include "codec/backend.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/units.h"

/* The granularity of holes in the files that these blocks end up in. */
#define HOLE_SIZE ((size_t)4096)

_Static_assert(CODEC_CHUNK_MAX / HOLE_SIZE <= RESULT_MAX_BLOCKS,
               "a chunk whose every second page is zero still makes a result");

/* Encoder and decoder have no state of their own, but NULL would mean failure. */
static const char none_state;

static uint64_t none_dictionary(const struct codec_spec *spec)
{
    (void)spec;
    return 0;
}

static uint64_t none_dictionary_step(unsigned i)
{
    (void)i;
    return 0;
}

/* A full disk takes the same time in chunks of 1, 2 or 4 MiB. A 4 TiB disk with 400 small files
 * scattered over it takes 0.45 of the time that chunks of 4 MiB need, since a chunk is hashed
 * together with the zeros in it. */
static uint64_t none_chunk_size(const struct codec_spec *spec)
{
    (void)spec;
    return MIB;
}

static uint64_t none_memory(const struct codec_spec *spec)
{
    (void)spec;
    return 0;
}

static size_t none_result_bound(uint64_t chunk_size)
{
    uint32_t blocks = (uint32_t)units_div_up(chunk_size, HOLE_SIZE);

    return result_head_size(blocks) + (size_t)chunk_size;
}

static void *none_encoder_new(const struct codec_spec *spec, uint64_t chunk_size, struct err *err)
{
    (void)spec;
    (void)chunk_size;
    (void)err;
    return (void *)&none_state;
}

static void *none_decoder_new(uint64_t chunk_size, uint64_t memory_limit, struct err *err)
{
    (void)chunk_size;
    (void)memory_limit;
    (void)err;
    return (void *)&none_state;
}

static void none_free(void *state)
{
    (void)state;
}

/* Writes the table of the runs and returns their number. The last page may be short. */
static uint32_t put_runs(const struct encode_job *job)
{
    uint32_t count = 0;
    size_t start = 0;

    while (start < job->raw_len) {
        size_t end = start;
        bool run_zero = false;
        while (end < job->raw_len) {
            size_t left = job->raw_len - end;
            size_t page = left < HOLE_SIZE ? left : HOLE_SIZE;
            bool zero = io_is_zero(job->raw + end, page);
            if (end == start)
                run_zero = zero;
            else if (zero != run_zero)
                break;
            end += page;
        }
        uint32_t len = (uint32_t)(end - start);
        result_put_entry(job->result, count++, run_zero ? 0 : len, len);
        start = end;
    }
    return count;
}

static int none_encode(void *encoder, struct encode_job *job, struct err *err)
{
    (void)encoder;
    (void)err;
    job->block_count = put_runs(job);
    job->len = result_head_size(job->block_count);
    if (job->outline)
        return 0;

    const uint8_t *raw = job->raw;
    uint8_t *out = job->result + job->len;
    for (uint32_t i = 0; i < job->block_count; i++) {
        const uint8_t *entry = job->result + result_head_size(i);
        uint32_t stored_len = get_be32(entry);
        memcpy(out, raw, stored_len);
        out += stored_len;
        raw += get_be32(entry + 4);
    }
    job->len = (size_t)(out - job->result);
    return 0;
}

static int none_decode(void *decoder, const struct result_block *block, uint8_t *ret_raw,
                       struct err *err)
{
    (void)decoder;
    if (block->stored_len == 0)
        memset(ret_raw, 0, block->raw_len);
    else if (block->stored_len == block->raw_len)
        memcpy(ret_raw, block->data, block->raw_len);
    else
        return err_set(err, ERR_CORRUPT,
                       "an uncompressed block of %" PRIu32 " bytes claims to hold %" PRIu32,
                       block->stored_len, block->raw_len);
    return 0;
}

const struct codec_backend codec_backend_none = {
    .dictionary = none_dictionary,
    .dictionary_step = none_dictionary_step,
    .chunk_size = none_chunk_size,
    .encoder_memory = none_memory,
    .decoder_memory = none_memory,
    .result_bound = none_result_bound,
    .encoder_new = none_encoder_new,
    .encode = none_encode,
    .encoder_free = none_free,
    .decoder_new = none_decoder_new,
    .decode = none_decode,
    .decoder_free = none_free,
};
