/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Ids of blocks: which of them have the same bytes. They are keyed, so that nobody who does not know
 * the repository's salt can look for two blocks with one id.
 */
#pragma once

#include "base/digest.h"
#include "repository/format/id.h"

struct block_ids; /* for one thread at a time */

struct block_ids *block_ids_new(const uint8_t salt[static DIGEST_SIZE]);
void block_ids_free(struct block_ids *ids); /* accepts NULL */
DEFINE_CLEANUP(struct block_ids *, block_ids_freep, block_ids_free)

/* digest: of the block, as codec/chunk_digest.h has it. */
void block_id_of(struct block_ids *ids, const uint8_t digest[static DIGEST_SIZE], struct id *ret);
