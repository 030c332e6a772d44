/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whole numbers in as few bytes as they need: LEB128 without sign, in its shortest form.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"

void varint_put(struct buf *buf, uint64_t value);
/* Fails the reader if there is none, if it is longer than it need be, or 2^64 or more. */
uint64_t varint_get(struct reader *reader);
