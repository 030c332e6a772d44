/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Finds the parts of a chunk that are worth a slow encoder. Media files, archives and
 * encrypted areas do not shrink, and a strong encoder spends more time on them than on
 * anything else. A fast one (zstd level 1) recognises them in a hundredth of that time;
 * they become blocks of their own and are stored. Long runs of zeros are parts of their
 * own, too: they need to be encoded only once.
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

/* The unit that is judged. */
#define PIECES_SEGMENT ((size_t)256 << 10)

struct pieces; /* working memory, kept between chunks */

struct pieces *pieces_new(uint64_t chunk_size, struct err *err);
/* Cuts a chunk into at most PIECES_MAX pieces; returns their number, at least 1. */
size_t pieces_cut(struct pieces *pieces, const uint8_t *raw, size_t raw_len,
                  struct piece ret[static PIECES_MAX]);
void pieces_free(struct pieces *pieces); /* accepts NULL */
DEFINE_CLEANUP(struct pieces *, pieces_freep, pieces_free)
uint64_t pieces_memory(void); /* of one of them, in bytes */
