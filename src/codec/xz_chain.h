/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The filter chain of an .xz Block: which one a chunk is worth.
 *
 * LZMA's time goes where its tables don't fit in the CPU's caches, and they are ten times the
 * dictionary. With a dictionary of 1.5 MiB and the filter for x86 code, a disk with programs
 * takes 0.7 of the time and the same space. A chunk that repeats itself over a longer distance
 * would become far larger - of memory images above all, in which pages are cached twice - and a
 * look at it tells: it keeps the level's own dictionary.
 *
 * In x86 code the same function is called from many places at many distances, which the BCJ
 * filter makes the same address: that saves a tenth of a chunk of code. Other data can become
 * larger, so that it is tried on samples. It also parts copies of code from each other: where
 * copies are far, it is not used at all; copies that are near are not looked for.
 */
#pragma once

#include <lzma.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "codec/codec.h"
#include "codec/pieces.h"

struct xz_chain; /* the memory that the look takes, kept between chunks */

/* liblzma's options for a spec, with the dictionary that is the longest it may use. */
void xz_chain_options(const struct codec_spec *spec, lzma_options_lzma *ret);
/* What encoding, and decoding, with any chain for this spec takes, the look included. */
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
