/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which parts of a chunk are worth a slow encoder. Media files, archives and
 * encrypted areas on a disk don't become smaller, and a strong encoder spends
 * more time on them than on anything else. A fast one (zstd level 1) tells in a
 * hundredth of that time; such parts become blocks of their own that are stored.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define PIECES_MAX 17

struct piece {
    size_t len;
    bool stored; /* does not compress */
};

struct pieces; /* the memory that the look takes, kept between chunks */

struct pieces *pieces_new(uint64_t chunk_size, struct err *err);
/* Cuts a chunk into at most PIECES_MAX pieces; returns their number, at least 1. */
size_t pieces_cut(struct pieces *pieces, const uint8_t *raw, size_t raw_len,
                  struct piece ret[static PIECES_MAX]);
void pieces_free(struct pieces *pieces); /* accepts NULL */
uint64_t pieces_memory(void);            /* what one of them takes */
