/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A growing byte buffer for what we write, and a bounds-checked reader for everything that comes
 * from outside: messages, manifests, save-image headers, indexes. Names include width and byte
 * order. Sizes are in bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct buf {
    uint8_t *data; /* owned */
    size_t len;
    size_t cap;
};

void buf_clear(struct buf *buf); /* frees; the struct can be used again */
#define CLEANUP_BUF CLEANUP(buf_clear)

void buf_append(struct buf *buf, const void *data, size_t len);
void buf_append_str(struct buf *buf, const char *text); /* without its NUL */
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_put_u8(struct buf *buf, uint8_t value);
void buf_put_be32(struct buf *buf, uint32_t value);
void buf_put_be64(struct buf *buf, uint64_t value);
void buf_put_le32(struct buf *buf, uint32_t value);
/* Makes room for len more bytes and returns where they go; the caller adds what it used to
 * buf->len. */
uint8_t *buf_reserve(struct buf *buf, size_t len);
/* The text as a C string that the caller frees; *buf is left empty. */
char *buf_take_str(struct buf *buf);

/* Reads from borrowed memory. After the first failure every further call fails too, so that a
 * sequence of gets needs only one check at its end. */
struct reader {
    const uint8_t *p;
    size_t left;
    bool failed;
};

struct reader reader_of(const void *data, size_t len);
uint8_t reader_u8(struct reader *reader);
uint32_t reader_be32(struct reader *reader);
uint64_t reader_be64(struct reader *reader);
uint32_t reader_le32(struct reader *reader);
/* The next len bytes, borrowed from that memory; NULL if there are fewer. */
const uint8_t *reader_bytes(struct reader *reader, size_t len);
/* 0, or -1 and "WHAT is too short" (corrupt) if any earlier get has failed. */
int reader_check(const struct reader *reader, const char *what, struct err *err);

uint32_t get_be32(const uint8_t *p);
uint64_t get_be64(const uint8_t *p);
uint32_t get_le32(const uint8_t *p);
void set_be32(uint8_t *p, uint32_t value);
void set_be64(uint8_t *p, uint64_t value);
void set_le32(uint8_t *p, uint32_t value);
