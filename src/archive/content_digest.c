/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/content_digest.h"

struct content_digest {
    struct digest *digest;
};

struct content_digest *content_digest_new(void)
{
    struct content_digest *content = mem_alloc(sizeof(*content));

    content->digest = digest_new();
    return content;
}

void content_digest_add(struct content_digest *content, const uint8_t sha256[static DIGEST_SIZE])
{
    digest_add(content->digest, sha256, DIGEST_SIZE);
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
