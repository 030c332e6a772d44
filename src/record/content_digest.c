/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record/content_digest.h"

#include <string.h>

#define RUN_PIECE 128

struct content_digest {
    struct digest *digest;
};

struct content_digest *content_digest_new(void)
{
    struct content_digest *content = mem_alloc(sizeof(*content));

    content->digest = digest_new();
    return content;
}

/* Long runs are hashed in pieces: a call costs as much as a kilobyte. */
void content_digest_add(struct content_digest *content, const uint8_t digest[static DIGEST_SIZE],
                        uint64_t count)
{
    uint8_t digests[RUN_PIECE * DIGEST_SIZE];
    uint64_t repeated = count < RUN_PIECE ? count : RUN_PIECE;

    for (uint64_t i = 0; i < repeated; i++)
        memcpy(digests + i * DIGEST_SIZE, digest, DIGEST_SIZE);
    while (count > 0) {
        uint64_t piece = count < RUN_PIECE ? count : RUN_PIECE;
        digest_add(content->digest, digests, (size_t)piece * DIGEST_SIZE);
        count -= piece;
    }
}

void content_digest_finish(struct content_digest *content, uint8_t ret[static DIGEST_SIZE])
{
    digest_finish(content->digest, ret);
}

void content_digest_free(struct content_digest *content)
{
    if (!content)
        return;
    digest_free(content->digest);
    free(content);
}
