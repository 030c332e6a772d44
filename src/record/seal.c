/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record/seal.h"

#include <string.h>

/* Another message than any digest, so that the id says nothing about a seal. */
static const char key_id_message[] = "virt-backup seal key";

void seal_key_id(const struct seal_key *key, char ret[static SEAL_KEY_ID_SIZE])
{
    uint8_t mac[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];

    digest_hmac(key->secret, sizeof(key->secret), key_id_message, strlen(key_id_message), mac);
    digest_to_hex(mac, hex);
    memcpy(ret, hex, SEAL_KEY_ID_SIZE - 1);
    ret[SEAL_KEY_ID_SIZE - 1] = '\0';
}

void seal_make(const struct seal_key *key, const uint8_t digest[static DIGEST_SIZE],
               uint8_t ret[static DIGEST_SIZE])
{
    digest_hmac(key->secret, sizeof(key->secret), digest, DIGEST_SIZE, ret);
}

enum seal_state seal_check(const struct seal *seal, const struct seal_key *key)
{
    char id[SEAL_KEY_ID_SIZE];
    uint8_t mac[DIGEST_SIZE];

    if (!seal->there)
        return SEAL_NONE;
    if (!key)
        return SEAL_FOREIGN;
    seal_key_id(key, id);
    if (strcmp(id, seal->key) != 0)
        return SEAL_FOREIGN;
    seal_make(key, seal->digest, mac);
    return digest_equal(mac, seal->mac) ? SEAL_FITS : SEAL_BROKEN;
}

const char *seal_state_name(enum seal_state state)
{
    static const char *const names[] = {
        [SEAL_NONE] = "none",
        [SEAL_FITS] = "fits",
        [SEAL_FOREIGN] = "foreign",
        [SEAL_BROKEN] = "broken",
    };

    return names[state];
}
