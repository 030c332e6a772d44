/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * SHA-256 of many messages in parallel: with one message a CPU has to wait for the result of each
 * step, while several fill its vector units ("multi-buffer"). Uses Intel's libipsec-mb if
 * virt-backup was built with it, else libcrypto, one message after another.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

/* Limits for messages per call and bytes per message: more are refused (assert). libipsec-mb counts
 * the bytes of a message in 16 bits. */
#define MULTI_DIGEST_MAX 128
#define MULTI_DIGEST_LEN_MAX ((size_t)32768)

struct multi_digest;

struct multi_digest_message {
    const void *data;
    size_t len;      /* 1 to MULTI_DIGEST_LEN_MAX */
    uint8_t *sha256; /* destination: DIGEST_SIZE bytes */
};

struct multi_digest *multi_digest_new(void);
/* Fastest if all messages have the same length. */
void multi_digest_of(struct multi_digest *multi, const struct multi_digest_message *messages,
                     size_t count);
void multi_digest_free(struct multi_digest *multi); /* accepts NULL */
DEFINE_CLEANUP(struct multi_digest *, multi_digest_freep, multi_digest_free)
/* Upper limit of the memory that one takes. */
uint64_t multi_digest_memory(void);
