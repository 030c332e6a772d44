/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * SHA-256 of many messages side by side: one message keeps a CPU waiting for each step's
 * result, several of them fill its vector units ("multi-buffer"). By Intel's libipsec-mb where
 * virt-backup was built with it, else by libcrypto, one message after the other.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

/* Of messages in a call, and of bytes in a message: more are refused (assert). libipsec-mb
 * counts the bytes of a message in 16 bits. */
#define MULTI_DIGEST_MAX 128
#define MULTI_DIGEST_LEN_MAX ((size_t)32768)

struct multi_digest;

struct multi_digest_message {
    const void *data;
    size_t len;      /* 1 to MULTI_DIGEST_LEN_MAX */
    uint8_t *sha256; /* where it goes: DIGEST_SIZE bytes */
};

struct multi_digest *multi_digest_new(void);
/* It is fastest with messages of one length. */
void multi_digest_of(struct multi_digest *multi, const struct multi_digest_message *messages,
                     size_t count);
void multi_digest_free(struct multi_digest *multi); /* accepts NULL */
DEFINE_CLEANUP(struct multi_digest *, multi_digest_freep, multi_digest_free)
/* What one takes at most. */
uint64_t multi_digest_memory(void);
