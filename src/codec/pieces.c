/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec/pieces.h"

#include <errno.h>
#include <string.h>
#define ZSTD_STATIC_LINKING_ONLY /* ZSTD_estimateCCtxSize, exported by the shared library */
#include <zstd.h>
#include <xxhash.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "codec/codec.h"

/* What is judged at once. */
#define SEGMENT ((size_t)256 << 10)
/* Two of these from each segment are looked at first: most compressible segments show there,
 * so that the look at a compressible chunk costs a twentieth of a level 1 run. */
#define SAMPLE ((size_t)8 << 10)
/* Files start at such an offset on a guest's disk, and so do equal parts of their copies. */
#define PAGE ((size_t)4096)
/* A cut costs the encoder its dictionary, hence no piece below these unless it is the chunk. */
#define RUN_MIN ((size_t)1 << 20)
#define RUNS_MAX 8

/* Pages of a chunk that are remembered; of large chunks those are left out whose hash is not
 * a multiple of something, so that the table stays small. */
#define SLOTS ((size_t)1 << 14)
#define SEGMENTS_MAX (CODEC_CHUNK_MAX / SEGMENT)

_Static_assert(2 * RUNS_MAX + 1 <= PIECES_MAX, "stored pieces and what is around them");

struct slot {
    uint64_t hash;
    uint32_t segment; /* number + 1; 0: the slot is free */
};

struct pieces {
    ZSTD_CCtx *zstd;
    size_t run_min;
    size_t sampling; /* one page in so many is noted; a power of two */
    size_t slots_used;
    bool dense[SEGMENTS_MAX];       /* does not compress */
    uint32_t repeats[SEGMENTS_MAX]; /* pages noted that are elsewhere in the chunk too */
    struct slot slots[SLOTS];       /* pages of dense segments, found by their hash */
    uint8_t scratch[SEGMENT];       /* output of the fast encoder, thrown away */
};

uint64_t pieces_memory(void)
{
    return sizeof(struct pieces) + ZSTD_estimateCCtxSize(1);
}

struct pieces *pieces_new(uint64_t chunk_size, struct err *err)
{
    struct pieces *pieces = calloc(1, sizeof(*pieces));

    if (pieces)
        pieces->zstd = ZSTD_createCCtx();
    if (!pieces || !pieces->zstd) {
        pieces_free(pieces);
        err_set_errno(err, ENOMEM, "cannot start an encoder");
        return NULL;
    }
    pieces->run_min = (size_t)chunk_size / RUNS_MAX;
    if (pieces->run_min < RUN_MIN)
        pieces->run_min = RUN_MIN;
    pieces->sampling = (size_t)chunk_size / PAGE / (SLOTS / 2);
    if (pieces->sampling < 1)
        pieces->sampling = 1;
    return pieces;
}

void pieces_free(struct pieces *pieces)
{
    if (!pieces)
        return;
    ZSTD_freeCCtx(pieces->zstd);
    free(pieces);
}

/* With less room than it needs, zstd gives up: so does this on any other failure, and the
 * data goes to the slow encoder or, at the worst, is stored. */
static bool compresses(struct pieces *pieces, const uint8_t *data, size_t len)
{
    size_t ret = ZSTD_compressCCtx(pieces->zstd, pieces->scratch, len - len / 64, data, len, 1);

    return !ZSTD_isError(ret);
}

static bool is_dense(struct pieces *pieces, const uint8_t *data, size_t len)
{
    if (len >= 8 * SAMPLE && (compresses(pieces, data + len / 4, SAMPLE) ||
                              compresses(pieces, data + len / 4 * 3, SAMPLE)))
        return false;
    return !compresses(pieces, data, len);
}

static size_t segment_len(size_t raw_len, size_t segment)
{
    size_t left = raw_len - segment * SEGMENT;

    return left < SEGMENT ? left : SEGMENT;
}

static void note_page(struct pieces *pieces, uint64_t hash, uint32_t segment)
{
    size_t i = (size_t)(hash >> 32) % SLOTS;

    if (hash % pieces->sampling != 0)
        return;
    while (pieces->slots[i].segment && pieces->slots[i].hash != hash)
        i = (i + 1) % SLOTS;
    if (pieces->slots[i].segment) {
        pieces->repeats[segment]++;
        pieces->repeats[pieces->slots[i].segment - 1]++;
    } else if (pieces->slots_used < SLOTS / 4 * 3) {
        pieces->slots[i] = (struct slot){.hash = hash, .segment = segment + 1};
        pieces->slots_used++;
    }
}

/* Two copies of one incompressible file are compressible together, which the fast encoder
 * with its short memory does not see. A single page is not worth it. */
static void clear_repeated(struct pieces *pieces, const uint8_t *raw, size_t raw_len, size_t count)
{
    memset(pieces->slots, 0, sizeof(pieces->slots));
    memset(pieces->repeats, 0, sizeof(pieces->repeats));
    pieces->slots_used = 0;
    for (size_t s = 0; s < count; s++) {
        if (!pieces->dense[s])
            continue;
        const uint8_t *segment = raw + s * SEGMENT;
        size_t len = segment_len(raw_len, s);
        for (size_t pos = 0; pos + PAGE <= len; pos += PAGE)
            note_page(pieces, XXH3_64bits(segment + pos, PAGE), (uint32_t)s);
    }
    for (size_t s = 0; s < count; s++)
        if (pieces->repeats[s] * pieces->sampling > 1)
            pieces->dense[s] = false;
}

/* Appends len bytes to the pieces, or to the last of them when it is of the same kind. */
static size_t add_piece(struct piece *pieces, size_t count, size_t len, bool stored)
{
    if (count > 0 && pieces[count - 1].stored == stored) {
        pieces[count - 1].len += len;
        return count;
    }
    pieces[count] = (struct piece){.len = len, .stored = stored};
    return count + 1;
}

size_t pieces_cut(struct pieces *pieces, const uint8_t *raw, size_t raw_len,
                  struct piece ret[static PIECES_MAX])
{
    size_t segments = (size_t)units_div_up(raw_len, SEGMENT);
    size_t count = 0;
    bool any_dense = false;

    for (size_t s = 0; s < segments; s++) {
        pieces->dense[s] = is_dense(pieces, raw + s * SEGMENT, segment_len(raw_len, s));
        any_dense = any_dense || pieces->dense[s];
    }
    if (any_dense)
        clear_repeated(pieces, raw, raw_len, segments);

    for (size_t s = 0; s < segments;) {
        bool dense = pieces->dense[s];
        size_t len = 0;
        for (; s < segments && pieces->dense[s] == dense; s++)
            len += segment_len(raw_len, s);
        bool stored = dense && (len >= pieces->run_min || len == raw_len);
        count = add_piece(ret, count, len, stored);
    }
    return count;
}
