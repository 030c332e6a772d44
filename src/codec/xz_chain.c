/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec/xz_chain.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/units.h"
#include "codec/repeats.h"

/* Measured at level 6 on a file system of installed packages. Time and size relative to the
 * level's own dictionary of 8 MiB without BCJ: 4 MiB 0.98, 0.988; 2 MiB 0.78, 0.993;
 * 1.5 MiB 0.71, 0.996; 1 MiB 0.65, 1.000. */
#define SHORT_DICTIONARY (MIB + MIB / 2)
/* Higher levels are chosen for their larger dictionaries. */
#define SHORT_LEVEL_MAX 6
/* Applies to a chunk of which more than one part in this many is copied from beyond the short
 * dictionary. */
#define FAR_SHARE 100

/* What BCJ is tried on, by liblzma's fastest level. */
#define SAMPLES 16
#define SAMPLE_LEN ((size_t)8 << 10)
#define TRIAL_LEVEL 0
#define TRIAL_DICTIONARY (UINT32_C(64) << 10)
/* It must save at least one byte in this many. */
#define BCJ_SHARE 128

struct xz_chain {
    lzma_options_lzma own;
    lzma_options_lzma chosen;
    lzma_options_lzma trial;
    bool may_shorten;
    lzma_filter plain[3];
    lzma_filter filters[3];
    struct repeats *repeats;
    size_t far; /* copies found in the chunk that is looked at */
    uint8_t sample[SAMPLES * SAMPLE_LEN];
    uint8_t scratch[SAMPLES * SAMPLE_LEN];
};

void xz_chain_options(const struct codec_spec *spec, lzma_options_lzma *ret)
{
    uint32_t preset = spec->level | (spec->extreme ? LZMA_PRESET_EXTREME : 0);

    if (lzma_lzma_preset(ret, preset))
        assert(!"a level that codec_check_spec has let through");
    if (spec->dict_size)
        ret->dict_size = (uint32_t)spec->dict_size;
}

/* liblzma can be built without it. */
static bool has_bcj(void)
{
    return lzma_filter_encoder_is_supported(LZMA_FILTER_X86) &&
           lzma_filter_decoder_is_supported(LZMA_FILTER_X86);
}

static void trial_options(lzma_options_lzma *ret)
{
    if (lzma_lzma_preset(ret, TRIAL_LEVEL))
        assert(!"liblzma has that level");
    ret->dict_size = TRIAL_DICTIONARY;
}

/* LZMA2 alone if bcj is false. */
static void put_filters(lzma_filter filters[static 3], lzma_options_lzma *options, bool bcj)
{
    size_t count = 0;

    if (bcj)
        filters[count++] = (lzma_filter){.id = LZMA_FILTER_X86};
    filters[count++] = (lzma_filter){.id = LZMA_FILTER_LZMA2, .options = options};
    filters[count] = (lzma_filter){.id = LZMA_VLI_UNKNOWN};
}

uint64_t xz_chain_encoder_memory(const struct codec_spec *spec)
{
    lzma_options_lzma options;
    lzma_filter filters[3];

    xz_chain_options(spec, &options);
    put_filters(filters, &options, has_bcj());
    uint64_t own = lzma_raw_encoder_memusage(filters);
    trial_options(&options);
    return own + lzma_raw_encoder_memusage(filters) + sizeof(struct xz_chain) + repeats_memory();
}

uint64_t xz_chain_decoder_memory(const struct codec_spec *spec)
{
    lzma_options_lzma options;
    lzma_filter filters[3];

    xz_chain_options(spec, &options);
    put_filters(filters, &options, lzma_filter_decoder_is_supported(LZMA_FILTER_X86));
    return lzma_raw_decoder_memusage(filters);
}

/* A user who asked for a larger dictionary, or for a slower but better try, gets it. */
static bool may_shorten(const struct codec_spec *spec, const lzma_options_lzma *own)
{
    lzma_options_lzma preset;
    const struct codec_spec level = {.type = CODEC_LZMA, .level = spec->level};

    xz_chain_options(&level, &preset);
    return spec->level <= SHORT_LEVEL_MAX && !spec->extreme && own->dict_size > SHORT_DICTIONARY &&
           own->dict_size <= preset.dict_size;
}

struct xz_chain *xz_chain_new(const struct codec_spec *spec, uint64_t chunk_size, struct err *err)
{
    CLEANUP(xz_chain_freep) struct xz_chain *chain = calloc(1, sizeof(*chain));

    if (!chain) {
        err_set_errno(err, ENOMEM, "cannot start an encoder");
        return NULL;
    }
    xz_chain_options(spec, &chain->own);
    chain->may_shorten = may_shorten(spec, &chain->own);
    trial_options(&chain->trial);
    put_filters(chain->plain, &chain->own, false);
    chain->repeats = repeats_new(chunk_size, err);
    if (!chain->repeats)
        return NULL;
    return TAKE_PTR(chain);
}

void xz_chain_free(struct xz_chain *chain)
{
    if (!chain)
        return;
    repeats_free(chain->repeats);
    free(chain);
}

lzma_filter *xz_chain_plain(struct xz_chain *chain)
{
    return chain->plain;
}

/* ---- copies ------------------------------------------------------------------ */

/* True if only the level's own dictionary can reach it. */
static void count_far_copy(void *opaque, size_t place, size_t earlier)
{
    struct xz_chain *chain = opaque;
    size_t distance = place - earlier;

    if (distance > SHORT_DICTIONARY && distance <= chain->own.dict_size)
        chain->far++;
}

/* Each piece is a block of its own, which begins with an empty dictionary. */
static bool repeats_far(struct xz_chain *chain, const struct xz_chain_chunk *chunk, size_t encoded)
{
    struct repeats_part part = {.chunk = chunk->raw};

    chain->far = 0;
    for (size_t i = 0; i < chunk->count; i++) {
        part.len = chunk->pieces[i].len;
        if (chunk->pieces[i].kind == PIECE_ENCODED && part.len > SHORT_DICTIONARY) {
            repeats_begin(chain->repeats);
            repeats_look(chain->repeats, &part, count_far_copy, chain);
        }
        part.offset += part.len;
    }
    return chain->far * repeats_spacing(chain->repeats) > encoded / FAR_SHARE;
}

/* ---- BCJ --------------------------------------------------------------------- */

/* Copies samples spread evenly over what is to be encoded; returns their total length. */
static size_t take_samples(struct xz_chain *chain, const struct xz_chain_chunk *chunk,
                           size_t encoded)
{
    size_t step = encoded / SAMPLES > SAMPLE_LEN ? encoded / SAMPLES : SAMPLE_LEN;
    const uint8_t *raw = chunk->raw;
    size_t next = 0; /* where in the encoded bytes the next sample begins */
    size_t before = 0;
    size_t taken = 0;

    for (size_t i = 0; i < chunk->count; raw += chunk->pieces[i++].len) {
        if (chunk->pieces[i].kind != PIECE_ENCODED)
            continue;
        size_t end = before + chunk->pieces[i].len;
        for (; next < end && taken + SAMPLE_LEN <= sizeof(chain->sample); next += step) {
            size_t len = end - next < SAMPLE_LEN ? end - next : SAMPLE_LEN;
            memcpy(chain->sample + taken, raw + next - before, len);
            taken += len;
        }
        before = end;
    }
    return taken;
}

/* *ret_len: the compressed length, or the input's if it does not compress. */
static int try_filters(struct xz_chain *chain, size_t len, bool bcj, size_t *ret_len,
                       struct err *err)
{
    lzma_filter filters[3];
    size_t pos = 0;

    put_filters(filters, &chain->trial, bcj);
    lzma_ret ret = lzma_raw_buffer_encode(filters, NULL, chain->sample, len, chain->scratch, &pos,
                                          sizeof(chain->scratch));
    if (ret == LZMA_MEM_ERROR)
        return err_set_errno(err, ENOMEM, "cannot compress");
    if (ret != LZMA_OK && ret != LZMA_BUF_ERROR)
        return err_set(err, ERR_INTERNAL, "cannot compress: liblzma answers %d", (int)ret);
    *ret_len = ret == LZMA_OK ? pos : len;
    return 0;
}

static int try_bcj(struct xz_chain *chain, const struct xz_chain_chunk *chunk, size_t encoded,
                   bool *ret_pays, struct err *err)
{
    size_t len = take_samples(chain, chunk, encoded);
    size_t with = 0, without = 0;

    *ret_pays = false;
    if (!has_bcj())
        return 0;
    if (try_filters(chain, len, false, &without, err) < 0 ||
        try_filters(chain, len, true, &with, err) < 0)
        return -1;
    *ret_pays = with < without - without / BCJ_SHARE;
    return 0;
}

/* ---- choosing ---------------------------------------------------------------- */

lzma_filter *xz_chain_choose(struct xz_chain *chain, const struct xz_chain_chunk *chunk,
                             struct err *err)
{
    size_t encoded = 0;
    bool bcj = false;

    for (size_t i = 0; i < chunk->count; i++)
        encoded += chunk->pieces[i].kind == PIECE_ENCODED ? chunk->pieces[i].len : 0;
    if (encoded == 0 || repeats_far(chain, chunk, encoded))
        return chain->plain;
    if (try_bcj(chain, chunk, encoded, &bcj, err) < 0)
        return NULL;
    chain->chosen = chain->own;
    if (chain->may_shorten)
        chain->chosen.dict_size = SHORT_DICTIONARY;
    put_filters(chain->filters, &chain->chosen, bcj);
    return chain->filters;
}
