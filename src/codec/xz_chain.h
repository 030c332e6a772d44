/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Chooses the filter chain of an .xz Block for a chunk.
 *
 * LZMA is slow when its tables, ten times the size of the dictionary, do not fit in the CPU's
 * caches. With a dictionary of 1.5 MiB and the filter for x86 code, a disk with programs takes
 * 0.7 of the time and the same space. A chunk that repeats itself over a longer distance would
 * become far larger; this is common in memory images, where pages are cached twice. Such chunks
 * are recognised beforehand, and keep the level's own dictionary.
 *
 * In x86 code the same function is called from many places, each at another distance. The BCJ
 * filter turns the distances into one address, which saves a tenth of a chunk of code. Other
 * data can grow, so the filter is tried on samples first. It also makes copies of code differ,
 * so it is not used where copies are far apart; near copies are not looked for.
 */
#pragma once

#include <lzma.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "codec/codec.h"
#include "codec/pieces.h"

struct xz_chain; /* working memory, kept between chunks */

/* liblzma's options for a spec, with the largest dictionary that it may use. */
void xz_chain_options(const struct codec_spec *spec, lzma_options_lzma *ret);
/* Memory for encoding, the choice included, and for decoding with any chain for this spec. */
uint64_t xz_chain_encoder_memory(const struct codec_spec *spec);
uint64_t xz_chain_decoder_memory(const struct codec_spec *spec);

struct xz_chain *xz_chain_new(const struct codec_spec *spec, uint64_t chunk_size, struct err *err);
/* A chunk, and what it was cut into. */
struct xz_chain_chunk {
    const uint8_t *raw;
    const struct piece *pieces;
    size_t count;
};

/* The chain for the pieces of a chunk that are to be encoded, always the same for the same
 * chunk. Valid until the next call. NULL: no memory. */
lzma_filter *xz_chain_choose(struct xz_chain *chain, const struct xz_chain_chunk *chunk,
                             struct err *err);
/* The one for anything else: LZMA2 alone. Valid as long as `chain`. */
lzma_filter *xz_chain_plain(struct xz_chain *chain);
void xz_chain_free(struct xz_chain *chain); /* accepts NULL */
DEFINE_CLEANUP(struct xz_chain *, xz_chain_freep, xz_chain_free)
