/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The seal of a manifest: an HMAC over its digest, with a secret that does not leave the
 * host that made the backup. A seal that fits says that the manifest is, to the byte, one
 * that this host has written. Specified in virt-backup-archive(5).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"

#define SEAL_SECRET_SIZE 32
#define SEAL_KEY_ID_SIZE 17 /* 16 hexadecimal digits and a NUL */

struct seal_key {
    uint8_t secret[SEAL_SECRET_SIZE];
};

/* Names the key without telling anything of it. */
void seal_key_id(const struct seal_key *key, char ret[static SEAL_KEY_ID_SIZE]);

struct seal {
    bool there;
    char key[SEAL_KEY_ID_SIZE];  /* which key it was made with */
    uint8_t mac[DIGEST_SIZE];    /* the seal */
    uint8_t digest[DIGEST_SIZE]; /* what was sealed */
};

void seal_make(const struct seal_key *key, const uint8_t digest[static DIGEST_SIZE],
               uint8_t ret[static DIGEST_SIZE]);

enum seal_state {
    SEAL_NONE,
    SEAL_FITS,
    SEAL_FOREIGN, /* made with a key that we do not have */
    SEAL_BROKEN,  /* made with ours, but not over this */
};

/* key NULL: we have none. */
enum seal_state seal_check(const struct seal *seal, const struct seal_key *key);
/* "none", "fits", "foreign", "broken" */
const char *seal_state_name(enum seal_state state);
