/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The SHA-256 of chunks. Many chunks of a disk that is nearly empty begin with zeros: what the
 * hash is after so many of them is kept, and only what follows is hashed.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/digest.h"

struct chunk_digest;

struct chunk_digest *chunk_digest_new(void);
void chunk_digest_of(struct chunk_digest *chunk, const void *data, size_t len,
                     uint8_t ret[static DIGEST_SIZE]);
void chunk_digest_free(struct chunk_digest *chunk); /* accepts NULL */
DEFINE_CLEANUP(struct chunk_digest *, chunk_digest_freep, chunk_digest_free)
/* What one takes at most. */
uint64_t chunk_digest_memory(void);
