/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The header of an .xz Block (xz file format 1.1.0, section 3.1), checked.
 */
#pragma once

#include <lzma.h>
#include <stdint.h>

#include "base/err.h"
#include "codec/result.h"

struct xz_block {
    lzma_block block; /* its filters point to the array below: the struct must not be copied */
    lzma_filter filters[LZMA_FILTERS_MAX + 1];
};

/* Decodes the header. Refused (corrupt) unless it carries both sizes, they are those of `stored`,
 * with CRC64 after the data, and decoding takes no more than memory_limit. On success the caller
 * clears it. */
int xz_block_decode_header(struct xz_block *xz, const struct result_block *stored,
                           uint64_t memory_limit, struct err *err);
/* Frees what liblzma allocated for the filters; accepts a zeroed struct. */
void xz_block_clear(struct xz_block *xz);

/* Sets *err to what liblzma's return value means for stored data. Returns -1. */
int xz_block_error(lzma_ret ret, const char *what, struct err *err);
