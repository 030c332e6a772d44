/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/digest.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/out.h"

struct digest {
    EVP_MD_CTX *context;
};

/* SHA-256 always exists and its updates do not fail; without it libcrypto would be useless to
 * us. */
static void must_succeed(int success)
{
    if (success != 1) {
        out_last_words("virt-backup: libcrypto has no SHA-256\n");
        abort();
    }
}

struct digest *digest_new(void)
{
    struct digest *digest = mem_alloc(sizeof(*digest));

    digest->context = EVP_MD_CTX_new();
    must_succeed(digest->context != NULL);
    must_succeed(EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL));
    return digest;
}

void digest_add(struct digest *digest, const void *data, size_t len)
{
    must_succeed(EVP_DigestUpdate(digest->context, data, len));
}

void digest_finish(struct digest *digest, uint8_t ret[static DIGEST_SIZE])
{
    must_succeed(EVP_DigestFinal_ex(digest->context, ret, NULL));
    must_succeed(EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL));
}

void digest_free(struct digest *digest)
{
    if (!digest)
        return;
    EVP_MD_CTX_free(digest->context);
    free(digest);
}

void digest_of(const void *data, size_t len, uint8_t ret[static DIGEST_SIZE])
{
    must_succeed(EVP_Digest(data, len, ret, NULL, EVP_sha256(), NULL));
}

void digest_hmac(const void *key, size_t key_len, const void *data, size_t len,
                 uint8_t ret[static DIGEST_SIZE])
{
    unsigned ret_len = 0;

    must_succeed(HMAC(EVP_sha256(), key, (int)key_len, data, len, ret, &ret_len) != NULL &&
                 ret_len == DIGEST_SIZE);
}

bool digest_equal(const uint8_t a[static DIGEST_SIZE], const uint8_t b[static DIGEST_SIZE])
{
    return CRYPTO_memcmp(a, b, DIGEST_SIZE) == 0;
}

void digest_to_hex(const uint8_t digest[static DIGEST_SIZE], char ret[static DIGEST_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        ret[2 * i] = digits[digest[i] >> 4];
        ret[2 * i + 1] = digits[digest[i] & 15];
    }
    ret[2 * DIGEST_SIZE] = '\0';
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

bool digest_from_hex(const char *hex, uint8_t ret[static DIGEST_SIZE])
{
    uint8_t digest[DIGEST_SIZE];

    if (strlen(hex) != 2 * DIGEST_SIZE)
        return false;
    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        int high = nibble(hex[2 * i]);
        int low = nibble(hex[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        digest[i] = (uint8_t)(high << 4 | low);
    }
    memcpy(ret, digest, DIGEST_SIZE);
    return true;
}
