/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/digest.h"

#include <pthread.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

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

static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256_fetched;

static void fetch_sha256(void)
{
    sha256_fetched = EVP_MD_fetch(NULL, "SHA256", NULL);
}

/* With EVP_sha256(), libcrypto looks for its implementation each time, which takes longer than a short text. */
static const EVP_MD *sha256_method(void)
{
    (void)pthread_once(&sha256_once, fetch_sha256);
    return sha256_fetched ? sha256_fetched : EVP_sha256();
}

struct digest *digest_new(void)
{
    struct digest *digest = mem_alloc(sizeof(*digest));

    digest->context = EVP_MD_CTX_new();
    must_succeed(digest->context != NULL);
    must_succeed(EVP_DigestInit_ex(digest->context, sha256_method(), NULL));
    return digest;
}

void digest_add(struct digest *digest, const void *data, size_t len)
{
    must_succeed(EVP_DigestUpdate(digest->context, data, len));
}

void digest_finish(struct digest *digest, uint8_t ret[static DIGEST_SIZE])
{
    must_succeed(EVP_DigestFinal_ex(digest->context, ret, NULL));
    must_succeed(EVP_DigestInit_ex(digest->context, sha256_method(), NULL));
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
    must_succeed(EVP_Digest(data, len, ret, NULL, sha256_method(), NULL));
}

void digest_hmac(const void *key, size_t key_len, const void *data, size_t len,
                 uint8_t ret[static DIGEST_SIZE])
{
    unsigned ret_len = 0;

    must_succeed(HMAC(sha256_method(), key, (int)key_len, data, len, ret, &ret_len) != NULL &&
                 ret_len == DIGEST_SIZE);
}

struct digest_keyed {
    EVP_MD_CTX *inner, *outer; /* have hashed the key's block */
    EVP_MD_CTX *work;
};

/* RFC 2104: the key, filled up to a block of SHA-256 with zeros, XOR a byte. */
static EVP_MD_CTX *keyed_context(const uint8_t key[static SHA256_CBLOCK], uint8_t pad)
{
    uint8_t block[SHA256_CBLOCK];
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    for (size_t i = 0; i < sizeof(block); i++)
        block[i] = key[i] ^ pad;
    must_succeed(context != NULL);
    must_succeed(EVP_DigestInit_ex(context, sha256_method(), NULL));
    must_succeed(EVP_DigestUpdate(context, block, sizeof(block)));
    OPENSSL_cleanse(block, sizeof(block));
    return context;
}

struct digest_keyed *digest_keyed_new(const void *key, size_t len)
{
    struct digest_keyed *keyed = mem_alloc(sizeof(*keyed));
    uint8_t block[SHA256_CBLOCK] = {0};

    if (len > sizeof(block))
        digest_of(key, len, block);
    else
        memcpy(block, key, len);
    keyed->inner = keyed_context(block, 0x36);
    keyed->outer = keyed_context(block, 0x5c);
    keyed->work = EVP_MD_CTX_new();
    must_succeed(keyed->work != NULL);
    OPENSSL_cleanse(block, sizeof(block));
    return keyed;
}

static void continue_keyed(struct digest_keyed *keyed, const EVP_MD_CTX *start, const void *data,
                           size_t len, uint8_t ret[static DIGEST_SIZE])
{
    must_succeed(EVP_MD_CTX_copy_ex(keyed->work, start));
    must_succeed(EVP_DigestUpdate(keyed->work, data, len));
    must_succeed(EVP_DigestFinal_ex(keyed->work, ret, NULL));
}

void digest_keyed_of(struct digest_keyed *keyed, const void *data, size_t len,
                     uint8_t ret[static DIGEST_SIZE])
{
    uint8_t inner[DIGEST_SIZE];

    continue_keyed(keyed, keyed->inner, data, len, inner);
    continue_keyed(keyed, keyed->outer, inner, sizeof(inner), ret);
}

void digest_keyed_free(struct digest_keyed *keyed)
{
    if (!keyed)
        return;
    EVP_MD_CTX_free(keyed->inner);
    EVP_MD_CTX_free(keyed->outer);
    EVP_MD_CTX_free(keyed->work);
    free(keyed);
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
