/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A zstd frame (RFC 8878, section 3.1.1) as codec/result.h wants it.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "codec/result.h"

/* The largest window that `zstd -d` accepts without options. */
#define ZSTD_FRAME_WINDOW_LOG_MAX 27

/* Corrupt unless the block is exactly one frame, with its content size (raw_len),
 * a checksum, no dictionary, and a window that every decoder accepts. */
int zstd_frame_check(const struct result_block *block, struct err *err);
/* The checksum of a frame that passed: low 32 bits of the XXH64 of its content. */
uint32_t zstd_frame_checksum(const struct result_block *block);
