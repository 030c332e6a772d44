/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/read_ahead.h"

#include <stdlib.h>
#include <string.h>

#include "base/quit.h"

/* Waits for what was asked for. Returns how much of it lies at offset, in *ret_from. What
 * failed is as if it had not been asked for: who reads it gets the error. */
static size_t take(struct read_ahead *ahead, struct nbd_link *link, uint64_t offset, size_t len,
                   const uint8_t **ret_from)
{
    size_t asked = ahead->len;

    ahead->len = 0;
    if (asked == 0 || nbd_link_settle(link, NULL) < 0)
        return 0;
    if (offset < ahead->offset || offset - ahead->offset >= asked)
        return 0;
    size_t skip = (size_t)(offset - ahead->offset);
    *ret_from = ahead->data + skip;
    return len < asked - skip ? len : asked - skip;
}

/* Asks for the next data at or behind offset. Failures show when it is read. */
static void ask(struct read_ahead *ahead, struct nbd_link *link, uint64_t offset, uint64_t until)
{
    uint64_t len = 0;
    bool zero = true;

    for (; offset < until; offset += len) {
        if (nbd_link_map(link, offset, &len, &zero, NULL) < 0)
            return;
        if (!zero)
            break;
    }
    if (zero)
        return;
    if (!ahead->data)
        ahead->data = malloc(READ_AHEAD_MAX);
    if (!ahead->data)
        return;
    if (len > until - offset)
        len = until - offset;
    ahead->offset = offset;
    ahead->len = len < READ_AHEAD_MAX ? (size_t)len : READ_AHEAD_MAX;
    if (nbd_link_read(link, offset, ahead->data, ahead->len, NULL) < 0) {
        (void)nbd_link_settle(link, NULL);
        ahead->len = 0;
    }
}

int read_ahead_read(struct read_ahead *ahead, struct nbd_link *link, const struct read_span *span,
                    void *data, struct err *err)
{
    uint64_t offset = span->offset;
    size_t len = span->len;
    const uint8_t *from = NULL;

    /* A signal ends the waiting for what was asked for, where it can't be told. */
    size_t there = take(ahead, link, offset, len, &from);
    if (quit_check(err) < 0)
        return -1;
    if (there > 0)
        memcpy(data, from, there);
    if (there < len) {
        if (nbd_link_read(link, offset + there, (uint8_t *)data + there, len - there, err) < 0) {
            (void)nbd_link_settle(link, NULL);
            return -1;
        }
        if (nbd_link_settle(link, err) < 0)
            return -1;
    }
    ask(ahead, link, offset + len, span->until);
    return 0;
}

void read_ahead_clear(struct read_ahead *ahead)
{
    free(ahead->data);
    *ahead = (struct read_ahead){0};
}
