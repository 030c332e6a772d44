/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The messages of MTCP as bytes; virt-backup-mtcp(7) specifies them. A message
 * is a head of 5, 13 or 18 bytes; that of B, C and E is followed by SIZE bytes of
 * data. Only heads are handled here, and from any number of bytes, so that a
 * blocking and a non-blocking reader can share the code.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define MESSAGE_HEAD_MIN 5  /* PID and command */
#define MESSAGE_HEAD_MAX 18 /* PID, command, ID, 'S', SIZE */

/* Limits of SIZE. A chunk or a result is never larger than the first, which
 * keeps a stream in step that carries a chunk too large for the receiver. */
#define MESSAGE_DATA_MAX (UINT32_C(1) << 30)
#define MESSAGE_TEXT_MAX UINT32_C(4096)
#define MESSAGE_BLOCKS_MAX (UINT32_C(256) << 10) /* of the largest chunk */

/* What either side may be sent. */
#define MESSAGE_TO_CHILD "CMFQ"
#define MESSAGE_TO_CONTROL "IBCMDE"

struct message {
    uint32_t pid; /* of the child, in both directions */
    char command;
    uint64_t id;   /* not in I and Q */
    uint32_t size; /* in B, C, M and E */
};

/* Writes the head of a message; returns its length. */
size_t message_encode(const struct message *message, uint8_t head[static MESSAGE_HEAD_MAX]);

/* Looks at the first len bytes of a head. Returns the number of bytes to be read
 * before the next look: 0 once the head is whole, and *ret is set then; -1 (corrupt)
 * for a command that is not one of `commands`, no 'S' where one belongs, or a SIZE
 * above its limit. */
int message_decode(const uint8_t *head, size_t len, const char *commands, struct message *ret,
                   struct err *err);
