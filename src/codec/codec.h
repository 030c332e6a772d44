/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Codecs: none, lzma, zstd. One chunk of an image is encoded into a "result"
 * (codec/result.h) and decoded from it; nothing here knows files or messages.
 * liblzma and libzstd stay behind this folder's headers. One encoder serves one
 * thread or process, and keeps its memory between chunks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"

enum codec_type { CODEC_NONE, CODEC_LZMA, CODEC_ZSTD };

struct codec_spec {
    enum codec_type type;
    unsigned level;     /* lzma 0-9 (default 6), zstd 1-19 (default 3), none 0 */
    bool extreme;       /* lzma "e" */
    bool thorough;      /* zstd: the level's own search, also where ours is faster; not in texts */
    uint64_t dict_size; /* lzma dictionary / zstd window; 0: the level's own */
};

/* A chunk is a power of two within these bounds; the last of an image may be short. */
#define CODEC_CHUNK_MIN (UINT64_C(64) << 10)
#define CODEC_CHUNK_MAX (UINT64_C(512) << 20)

/* "none", "lzma", "lzma:9e", "ZSTD:19", in any case of letters. */
int codec_parse(const char *text, struct codec_spec *ret, struct err *err);
#define CODEC_TEXT_SIZE 16
/* The other way round: "none", "lzma:6", "lzma:9e", "zstd:3". Returns text. */
const char *codec_format(const struct codec_spec *spec, char text[static CODEC_TEXT_SIZE]);

const char *codec_suffix(enum codec_type type); /* "", ".xz", ".zst" */

/* The chunk size used when the user names none: bytes, a power of two. */
uint64_t codec_default_chunk_size(const struct codec_spec *spec);

/* Memory that an encoder of this spec takes, without the chunk's own buffers:
 * liblzma's or libzstd's own figure, plus what this module adds. */
uint64_t codec_encoder_memory(const struct codec_spec *spec);
/* The same for a decoder of what such an encoder makes. */
uint64_t codec_decoder_memory(const struct codec_spec *spec);

/* Shrinks or grows spec->dict_size so that codec_encoder_memory comes as near to
 * `budget` as it can without exceeding it. Refused (usage) when even the
 * smallest dictionary takes more, or when the codec has no dictionary (none). */
int codec_fit_memory(struct codec_spec *spec, uint64_t budget, struct err *err);

/* Gives spec the smallest dictionary of its type; one that has none is left as it is. */
void codec_smallest(struct codec_spec *spec);

/* Shrinks spec->dict_size when the dictionary is larger than a chunk, which would
 * cost memory and find nothing more. encoder_new does so itself; call it first when
 * you want the memory figures for small chunks. */
void codec_fit_chunk(struct codec_spec *spec, uint64_t chunk_size);

/* The next lower spec of the same type that takes less encoder memory;
 * false if there is none. */
bool codec_next_lower(const struct codec_spec *spec, struct codec_spec *ret);

/* The largest result that a chunk of this size can have, in bytes. */
size_t codec_result_bound(const struct codec_spec *spec, uint64_t chunk_size);

/* Memory for what comes out of a codec. */
struct codec_room {
    void *data; /* borrowed */
    size_t cap;
    size_t len; /* how much of it was used; set on success */
};

struct encoder;

struct encoder *encoder_new(const struct codec_spec *spec, uint64_t chunk_size, struct err *err);
/* raw_len: 1 to chunk_size. Writes a whole result; there must be room for codec_result_bound. Runs
 * of zeros come out as said in codec/result.h. */
int encoder_encode(struct encoder *encoder, const void *raw, size_t raw_len,
                   struct codec_room *result, struct err *err);
/* The same, but an outline. For an encoder of codec none only. */
int encoder_outline(struct encoder *encoder, const void *raw, size_t raw_len,
                    struct codec_room *outline, struct err *err);
/* Of each chunk that is encoded from now on the digests of its blocks (codec/chunk_digest.h) go to
 * `blocks` (borrowed; room for those of chunk_size); NULL, as at the start: nowhere. */
void encoder_set_blocks(struct encoder *encoder, uint8_t *blocks);
/* Whoever takes the results knows the digests: those of chunks that are encoded from now on have zeros
 * in that place, and blocks have none. */
void encoder_omit_digests(struct encoder *encoder);
void encoder_free(struct encoder *encoder);
DEFINE_CLEANUP(struct encoder *, encoder_freep, encoder_free)

struct decoder;

/* Decodes results of one codec. Never takes more than memory_limit bytes for
 * its dictionary (otherwise refused as corrupt: "needs more memory than ...") and never
 * writes more than chunk_size bytes. codec_decoder_memory of a spec whose dict_size
 * is the chunk size is enough for anything that an encoder made of such chunks. */
struct decoder *decoder_new(enum codec_type type, uint64_t chunk_size, uint64_t memory_limit,
                            struct err *err);
/* From a whole result to the raw chunk. Every byte of the result must be used
 * and the raw length must come out as announced, else corrupt. The digest of
 * the raw bytes (codec/chunk_digest.h) is given back; when the result carries a digest that is not all
 * zeros, it must be equal (corrupt if not). */
int decoder_decode(struct decoder *decoder, const void *result, size_t len, struct codec_room *raw,
                   uint8_t ret_digest[static DIGEST_SIZE], struct err *err);
/* As encoder_set_blocks, of each chunk that is decoded; and of its leaves. */
void decoder_set_blocks(struct decoder *decoder, uint8_t *blocks);
void decoder_set_leaves(struct decoder *decoder, uint8_t *leaves);
/* Of chunks that are decoded from now on only these blocks of CHUNK_DIGEST_BLOCK bytes are wanted, bit n
 * for block n; 0, as at the start: all. If that is not all of a chunk, what follows the last one may be
 * left out: only the digests of wanted leaves are made, not those of blocks, and the chunk's is zeros
 * and not compared. */
void decoder_set_wanted(struct decoder *decoder, uint64_t blocks);
void decoder_free(struct decoder *decoder);
DEFINE_CLEANUP(struct decoder *, decoder_freep, decoder_free)
