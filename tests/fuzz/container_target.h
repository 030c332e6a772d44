/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A compressed image as it is read back: its index, the chunks that the index makes, and
 * their decoding.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "codec/codec.h"

/* `size` is the file's: what lies behind len is a hole. */
void container_target_try(enum codec_type type, const uint8_t *data, size_t len, uint64_t size);
