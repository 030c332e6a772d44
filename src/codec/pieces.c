/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec/pieces.h"

#include <errno.h>
#include <string.h>
#define ZSTD_STATIC_LINKING_ONLY /* ZSTD_estimateCCtxSize, exported by the shared library */
#include <zstd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/units.h"
#include "codec/codec.h"
#include "codec/repeats.h"

#define SEGMENT PIECES_SEGMENT
/* Two of these from each segment are tried first. Most compressible segments show there, so that
 * judging a compressible chunk costs a twentieth of a level 1 run. */
#define SAMPLE ((size_t)8 << 10)
/* Two copies of a single page are not worth it. */
#define COPY_MIN ((size_t)8192)
/* The encoder loses its dictionary at each cut, so no piece is shorter than this, unless the
 * chunk itself is. */
#define RUN_MIN ((size_t)1 << 20)
#define RUNS_MAX 8

#define SEGMENTS_MAX (CODEC_CHUNK_MAX / SEGMENT)

_Static_assert(2 * RUNS_MAX + 1 <= PIECES_MAX, "pieces cut out and what is around them");

struct pieces {
    ZSTD_CCtx *zstd;
    struct repeats *repeats;
    size_t run_min;
    enum piece_kind kinds[SEGMENTS_MAX];
    uint32_t copies[SEGMENTS_MAX]; /* dense segments that also occur elsewhere */
    uint8_t scratch[SEGMENT];      /* output of the fast encoder, thrown away */
};

uint64_t pieces_memory(void)
{
    return sizeof(struct pieces) + ZSTD_estimateCCtxSize(1) + repeats_memory();
}

struct pieces *pieces_new(uint64_t chunk_size, struct err *err)
{
    CLEANUP(pieces_freep) struct pieces *pieces = calloc(1, sizeof(*pieces));

    if (pieces)
        pieces->zstd = ZSTD_createCCtx();
    if (!pieces || !pieces->zstd) {
        err_set_errno(err, ENOMEM, "cannot start an encoder");
        return NULL;
    }
    pieces->repeats = repeats_new(chunk_size, err);
    if (!pieces->repeats)
        return NULL;
    pieces->run_min = (size_t)chunk_size / RUNS_MAX;
    if (pieces->run_min < RUN_MIN)
        pieces->run_min = RUN_MIN;
    return TAKE_PTR(pieces);
}

void pieces_free(struct pieces *pieces)
{
    if (!pieces)
        return;
    ZSTD_freeCCtx(pieces->zstd);
    repeats_free(pieces->repeats);
    free(pieces);
}

/* zstd gives up when its output does not fit. Any other failure counts as that, too: the data
 * then goes to the slow encoder or, at worst, is stored. */
static bool is_compressible(struct pieces *pieces, const uint8_t *data, size_t len)
{
    size_t ret = ZSTD_compressCCtx(pieces->zstd, pieces->scratch, len - len / 64, data, len, 1);

    return !ZSTD_isError(ret);
}

static bool is_dense(struct pieces *pieces, const uint8_t *data, size_t len)
{
    if (len >= 8 * SAMPLE && (is_compressible(pieces, data + len / 4, SAMPLE) ||
                              is_compressible(pieces, data + len / 4 * 3, SAMPLE)))
        return false;
    return !is_compressible(pieces, data, len);
}

static size_t segment_len(size_t raw_len, size_t segment)
{
    size_t left = raw_len - segment * SEGMENT;

    return left < SEGMENT ? left : SEGMENT;
}

static void count_copy(void *opaque, size_t place, size_t earlier)
{
    struct pieces *pieces = opaque;

    pieces->copies[(place - 1) / SEGMENT]++;
    pieces->copies[(earlier - 1) / SEGMENT]++;
}

/* Two copies of an incompressible file compress well together, but are too far apart for the
 * fast encoder to notice. */
static void clear_repeated(struct pieces *pieces, const uint8_t *raw, size_t raw_len, size_t count)
{
    repeats_begin(pieces->repeats);
    memset(pieces->copies, 0, sizeof(pieces->copies));
    for (size_t s = 0; s < count; s++) {
        const struct repeats_part part = {raw, s * SEGMENT, segment_len(raw_len, s)};
        if (pieces->kinds[s] == PIECE_STORED)
            repeats_look(pieces->repeats, &part, count_copy, pieces);
    }
    for (size_t s = 0; s < count; s++)
        if (pieces->copies[s] * repeats_spacing(pieces->repeats) >= COPY_MIN)
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

static enum piece_kind kind_of_segment(struct pieces *pieces, const uint8_t *segment, size_t len)
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
        pieces->kinds[s] = kind_of_segment(pieces, raw + s * SEGMENT, segment_len(raw_len, s));
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
