/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/block_id.h"

#include <string.h>

struct block_ids {
    struct digest_keyed *hmac;
};

struct block_ids *block_ids_new(const uint8_t salt[static DIGEST_SIZE])
{
    struct block_ids *ids = mem_alloc(sizeof(*ids));

    ids->hmac = digest_keyed_new(salt, DIGEST_SIZE);
    return ids;
}

void block_ids_free(struct block_ids *ids)
{
    if (!ids)
        return;
    digest_keyed_free(ids->hmac);
    free(ids);
}

void block_id_of(struct block_ids *ids, const uint8_t digest[static DIGEST_SIZE], struct id *ret)
{
    uint8_t hmac[DIGEST_SIZE];

    digest_keyed_of(ids->hmac, digest, DIGEST_SIZE, hmac);
    memcpy(ret->bytes, hmac, ID_SIZE);
}
