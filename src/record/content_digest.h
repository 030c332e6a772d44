/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The content digest of an image: SHA-256 over the digests of its raw chunks
 * (codec/chunk_digest.h), in order, 32 bytes each. It covers every byte of the image, holes too,
 * and needs no second pass: the children hash the chunks.
 */
#pragma once

#include <stdint.h>

#include "base/cleanup.h"
#include "base/digest.h"

struct content_digest;

struct content_digest *content_digest_new(void);
/* The digest of the next `count` chunks, which are equal. */
void content_digest_add(struct content_digest *content, const uint8_t digest[static DIGEST_SIZE],
                        uint64_t count);
void content_digest_finish(struct content_digest *content, uint8_t ret[static DIGEST_SIZE]);
void content_digest_free(struct content_digest *content);
DEFINE_CLEANUP(struct content_digest *, content_digest_freep, content_digest_free)
