/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which parts of a chunk are worth a slow encoder. Media files, archives and
 * encrypted areas on a disk don't become smaller, and a strong encoder spends
 * more time on them than on anything else. A fast one (zstd level 1) tells in a
 * hundredth of that time; such parts become blocks of their own that are stored.
 * Long runs of zeros are parts too: whoever encodes them once need not do so again.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

#define PIECES_MAX 17

enum piece_kind {
    PIECE_ENCODED,
    PIECE_STORED, /* does not compress */
    PIECE_ZEROS,  /* len is a multiple of PIECES_SEGMENT, or reaches to the chunk's end */
};

struct piece {
    size_t len;
    enum piece_kind kind;
};

/* What is judged at once. */
#define PIECES_SEGMENT ((size_t)256 << 10)

struct pieces; /* the memory that the look takes, kept between chunks */

struct pieces *pieces_new(uint64_t chunk_size, struct err *err);
/* Cuts a chunk into at most PIECES_MAX pieces; returns their number, at least 1. */
size_t pieces_cut(struct pieces *pieces, const uint8_t *raw, size_t raw_len,
                  struct piece ret[static PIECES_MAX]);
void pieces_free(struct pieces *pieces); /* accepts NULL */
DEFINE_CLEANUP(struct pieces *, pieces_freep, pieces_free)
uint64_t pieces_memory(void); /* what one of them takes */
