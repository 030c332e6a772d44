/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The filter chain of an .xz Block: which one a chunk is worth.
 *
 * LZMA's time goes where its tables don't fit in the CPU's caches, and they are ten times the
 * dictionary. Most chunks of a disk lose a hundredth of their ratio with a dictionary of
 * 1.5 MiB, and a third of the time. Those that repeat themselves over a longer distance lose
 * far more - memory images above all, in which pages are cached twice - and a look at the
 * chunk tells them. In x86 code the same function is called from many places at many
 * distances, which the BCJ filter makes the same address: a tenth of such a chunk. It parts
 * copies of code, however, and other data can become larger: it is tried on samples.
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
/* The chain for the pieces of a chunk that are to be encoded, always the same for the same
 * chunk. Valid until the next call. */
lzma_filter *xz_chain_choose(struct xz_chain *chain, const uint8_t *raw, const struct piece *pieces,
                             size_t count);
/* The one for anything else: LZMA2 alone. Valid as long as `chain`. */
lzma_filter *xz_chain_plain(struct xz_chain *chain);
void xz_chain_free(struct xz_chain *chain); /* accepts NULL */
DEFINE_CLEANUP(struct xz_chain *, xz_chain_freep, xz_chain_free)
