/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * SHA-256 (FIPS 180-4) through OpenSSL's libcrypto, which only this module uses.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define DIGEST_SIZE 32
#define DIGEST_HEX_SIZE 65 /* 64 digits and a NUL */

struct digest; /* a running hash */

struct digest *digest_new(void);
void digest_add(struct digest *digest, const void *data, size_t len);
/* Ends the hash and starts a new one. */
void digest_finish(struct digest *digest, uint8_t ret[static DIGEST_SIZE]);
void digest_free(struct digest *digest);
DEFINE_CLEANUP(struct digest *, digest_freep, digest_free)

/* The hash of one piece of memory. */
void digest_of(const void *data, size_t len, uint8_t ret[static DIGEST_SIZE]);

/* HMAC-SHA-256 (RFC 2104). */
void digest_hmac(const void *key, size_t key_len, const void *data, size_t len,
                 uint8_t ret[static DIGEST_SIZE]);

/* HMAC-SHA-256 of many short messages with one key, which is worked on once; in one thread at a
 * time. */
struct digest_keyed;
struct digest_keyed *digest_keyed_new(const void *key, size_t len);
void digest_keyed_of(struct digest_keyed *keyed, const void *data, size_t len,
                     uint8_t ret[static DIGEST_SIZE]);
void digest_keyed_free(struct digest_keyed *keyed); /* accepts NULL */
DEFINE_CLEANUP(struct digest_keyed *, digest_keyed_freep, digest_keyed_free)

/* Takes the same time wherever they differ: for what must not be guessed byte by byte. */
bool digest_equal(const uint8_t a[static DIGEST_SIZE], const uint8_t b[static DIGEST_SIZE]);

/* Lower-case hexadecimal, and back (false if it is anything else). */
void digest_to_hex(const uint8_t digest[static DIGEST_SIZE], char ret[static DIGEST_HEX_SIZE]);
bool digest_from_hex(const char *hex, uint8_t ret[static DIGEST_SIZE]);
