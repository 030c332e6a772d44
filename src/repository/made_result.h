/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a child has made of the blocks of a chunk, before it becomes a frame of a pack.
 */
#pragma once

#include "codec/chunks.h"
#include "codec/result.h"

/* *ret borrows from the output and from table. *ret_len: how many bytes it has as it is stored. Corrupt:
 * it is no result of what the child was given. */
int made_result_parse(const struct chunk_output *output, struct buf *table, struct result *ret,
                      size_t *ret_len, struct err *err);
/* A result as it is stored: the digest of what was read, the table as it was checked, and the blocks,
 * which in an outline lie elsewhere. */
void made_result_write(const struct result *result, const uint8_t *digest, uint8_t *to);
