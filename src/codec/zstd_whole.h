/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Bytes that are compressed as a whole, as one zstd frame (codec/zstd_frame.h): not chunks of
 * images, but tables and texts.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* Of what is compressed, and of the frame. */
#define ZSTD_WHOLE_MAX UINT32_MAX

/* The frame in *ret, which the caller frees. len: 1 to ZSTD_WHOLE_MAX. */
int zstd_whole_compress(const void *data, size_t len, struct buf *ret, struct err *err);
/* The raw_len bytes that the frame must have, no more and no less (corrupt), in *ret, which the caller
 * frees. The caller has checked that they are not too many. */
int zstd_whole_decompress(const void *data, size_t len, size_t raw_len, struct buf *ret,
                          struct err *err);
/* The same, where the caller has room for them. */
int zstd_whole_decompress_to(const void *data, size_t len, size_t raw_len, void *room,
                             struct err *err);
