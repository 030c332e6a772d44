/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One codec as the rest of this folder sees it. encoder.c and decoder.c do what
 * all codecs have in common (head, digest, limits), a backend the blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "codec/codec.h"
#include "codec/result.h"

struct encode_job {
    const uint8_t *raw;
    size_t raw_len;
    uint8_t *result; /* the backend fills table and blocks, not the head */
    size_t cap;
    bool outline;         /* the blocks are left out; codec none only */
    uint32_t block_count; /* set by the backend */
    size_t len;           /* of the whole result; set by the backend */
};

struct codec_backend {
    /* Figures, for a spec that is valid. */
    uint64_t (*dictionary)(const struct codec_spec *spec); /* in use; 0: has none */
    /* The i-th dictionary size that spec->dict_size can be, ascending; 0 after the last. */
    uint64_t (*dictionary_step)(unsigned i);
    uint64_t (*chunk_size)(const struct codec_spec *spec); /* default; rounded up by the caller */
    uint64_t (*encoder_memory)(const struct codec_spec *spec);
    uint64_t (*decoder_memory)(const struct codec_spec *spec);
    size_t (*result_bound)(uint64_t chunk_size);

    void *(*encoder_new)(const struct codec_spec *spec, uint64_t chunk_size, struct err *err);
    int (*encode)(void *encoder, struct encode_job *job, struct err *err);
    void (*encoder_free)(void *encoder); /* accepts NULL */

    void *(*decoder_new)(uint64_t chunk_size, uint64_t memory_limit, struct err *err);
    /* Writes exactly block->raw_len bytes, for which there is room, or fails. */
    int (*decode)(void *decoder, const struct result_block *block, uint8_t *ret_raw,
                  struct err *err);
    /* The first len bytes of a block, fewer than it has, or some more; NULL: it cannot. What follows them
     * is not looked at. */
    int (*decode_start)(void *decoder, const struct result_block *block, uint8_t *ret_raw,
                        size_t len, struct err *err);
    void (*decoder_free)(void *decoder); /* accepts NULL */
};

extern const struct codec_backend codec_backend_none;
extern const struct codec_backend codec_backend_lzma;
extern const struct codec_backend codec_backend_zstd;

const struct codec_backend *codec_backend(enum codec_type type);
/* 0 if spec is one that codec_parse or codec_fit_memory could have made and
 * chunk_size is within its bounds, else -1 (internal). */
int codec_check_spec(const struct codec_spec *spec, struct err *err);
int codec_check_chunk_size(uint64_t chunk_size, struct err *err);
