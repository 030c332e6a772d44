/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The digest of a chunk by the formula of virt-backup-archive(5), without our code for it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"

#define DOCUMENTED_LEAF ((size_t)32768)

static inline void documented_chunk_digest(const uint8_t *chunk, size_t len,
                                           uint8_t ret[static DIGEST_SIZE])
{
    CLEANUP(digest_freep) struct digest *over_leaves = digest_new();
    uint8_t leaf[DIGEST_SIZE];

    for (size_t at = 0; at < len; at += DOCUMENTED_LEAF) {
        digest_of(chunk + at, len - at < DOCUMENTED_LEAF ? len - at : DOCUMENTED_LEAF, leaf);
        digest_add(over_leaves, leaf, DIGEST_SIZE);
    }
    digest_finish(over_leaves, ret);
}
