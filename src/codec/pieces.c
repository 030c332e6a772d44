/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec/pieces.h"

#include <errno.h>
#include <string.h>
#define ZSTD_STATIC_LINKING_ONLY /* ZSTD_estimateCCtxSize, exported by the shared library */
#include <zstd.h>
#include <xxhash.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/units.h"
#include "codec/codec.h"

#define SEGMENT PIECES_SEGMENT
/* Two of these from each segment are looked at first: most compressible segments show there,
 * so that the look at a compressible chunk costs a twentieth of a level 1 run. */
#define SAMPLE ((size_t)8 << 10)
/* One place in so many bytes is remembered, chosen by what stands there and not by its offset:
 * copies in a memory image lie at any offset. */
#define SPACING ((size_t)4096)
/* A cut costs the encoder its dictionary, hence no piece below these unless it is the chunk. */
#define RUN_MIN ((size_t)1 << 20)
#define RUNS_MAX 8

/* Places of a chunk that are remembered; of large chunks fewer, so that the table stays small. */
#define SLOTS ((size_t)1 << 14)
#define SEGMENTS_MAX (CODEC_CHUNK_MAX / SEGMENT)

_Static_assert(2 * RUNS_MAX + 1 <= PIECES_MAX, "pieces cut out and what is around them");

struct slot {
    uint64_t hash;
    uint32_t segment; /* number + 1; 0: the slot is free */
};

struct pieces {
    ZSTD_CCtx *zstd;
    size_t run_min;
    size_t sampling;    /* one place in so many is noted; a power of two */
    uint64_t no_place;  /* the bits of a hash that are 0 where a place is noted */
    uint64_t gear[256]; /* random, one for each byte value */
    size_t slots_used;
    enum piece_kind kinds[SEGMENTS_MAX];
    uint32_t repeats[SEGMENTS_MAX]; /* places noted that are elsewhere in the chunk too */
    struct slot slots[SLOTS];       /* places of dense segments, found by their hash */
    uint8_t scratch[SEGMENT];       /* output of the fast encoder, thrown away */
};

uint64_t pieces_memory(void)
{
    return sizeof(struct pieces) + ZSTD_estimateCCtxSize(1);
}

/* Always the same: what is stored for a chunk does not depend on chance. */
static void fill_gear(uint64_t gear[static 256])
{
    for (uint64_t i = 0; i < 256; i++)
        gear[i] = XXH3_64bits(&i, sizeof(i));
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
    pieces->sampling = (size_t)chunk_size / SPACING / (SLOTS / 2);
    if (pieces->sampling < 1)
        pieces->sampling = 1;
    /* The upper bits, which depend on the last 64 bytes. */
    pieces->no_place = ~(UINT64_MAX / (SPACING * pieces->sampling));
    fill_gear(pieces->gear);
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

static void note_place(struct pieces *pieces, uint64_t hash, uint32_t segment)
{
    size_t i = (size_t)(hash * UINT64_C(0x9e3779b97f4a7c15) >> 32) % SLOTS;

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

/* A gear hash: each byte's number is shifted out after 64 more. */
static void note_places(struct pieces *pieces, const uint8_t *segment, size_t len, uint32_t number)
{
    uint64_t hash = 0;

    for (size_t i = 0; i < len; i++) {
        hash = (hash << 1) + pieces->gear[segment[i]];
        if ((hash & pieces->no_place) == 0 && i >= 63)
            note_place(pieces, hash, number);
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
        if (pieces->kinds[s] == PIECE_STORED)
            note_places(pieces, raw + s * SEGMENT, segment_len(raw_len, s), (uint32_t)s);
    }
    for (size_t s = 0; s < count; s++)
        if (pieces->repeats[s] * pieces->sampling > 1)
            pieces->kinds[s] = PIECE_ENCODED;
}

/* Appends len bytes to the pieces, or to the last of them when it is of the same kind. */
static size_t add_piece(struct piece *pieces, size_t count, size_t len, enum piece_kind kind)
{
    if (count > 0 && pieces[count - 1].kind == kind) {
        pieces[count - 1].len += len;
        return count;
    }
    pieces[count] = (struct piece){.len = len, .kind = kind};
    return count + 1;
}

static enum piece_kind judge(struct pieces *pieces, const uint8_t *segment, size_t len)
{
    if (io_is_zero(segment, len))
        return PIECE_ZEROS;
    return is_dense(pieces, segment, len) ? PIECE_STORED : PIECE_ENCODED;
}

size_t pieces_cut(struct pieces *pieces, const uint8_t *raw, size_t raw_len,
                  struct piece ret[static PIECES_MAX])
{
    size_t segments = (size_t)units_div_up(raw_len, SEGMENT);
    size_t count = 0;
    bool any_dense = false;

    for (size_t s = 0; s < segments; s++) {
        pieces->kinds[s] = judge(pieces, raw + s * SEGMENT, segment_len(raw_len, s));
        any_dense = any_dense || pieces->kinds[s] == PIECE_STORED;
    }
    if (any_dense)
        clear_repeated(pieces, raw, raw_len, segments);

    for (size_t s = 0; s < segments;) {
        enum piece_kind kind = pieces->kinds[s];
        size_t len = 0;
        for (; s < segments && pieces->kinds[s] == kind; s++)
            len += segment_len(raw_len, s);
        if (len < pieces->run_min && len < raw_len)
            kind = PIECE_ENCODED;
        count = add_piece(ret, count, len, kind);
    }
    return count;
}
