/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Internal to this folder: reading an NBD export in order, with what comes next
 * asked for before it is needed, so that the server's disk works while we do.
 */
#pragma once

#include "disk/nbd_link.h"

/* Asked for ahead at most. */
#define READ_AHEAD_MAX ((size_t)4 << 20)

struct read_ahead {
    uint8_t *data; /* owned, READ_AHEAD_MAX bytes; NULL until the first use */
    uint64_t offset;
    size_t len; /* of what was asked for and not used; 0: nothing */
};

struct read_span {
    uint64_t offset;
    size_t len;
    uint64_t until; /* what lies behind it up to here will be read too */
};

/* Fills all of data, waits for it, and asks for what lies behind it unless that is known
 * to be zeros. An error of what was asked for ahead shows when it is read. */
int read_ahead_read(struct read_ahead *ahead, struct nbd_link *link, const struct read_span *span,
                    void *data, struct err *err);
/* After the link was freed, which forgets what is under way. */
void read_ahead_clear(struct read_ahead *ahead);
