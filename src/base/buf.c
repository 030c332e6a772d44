/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/buf.h"

#include <stdarg.h>
#include <string.h>

#include "base/out.h"

void buf_clear(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){0};
}

uint8_t *buf_reserve(struct buf *buf, size_t len)
{
    if (buf->cap - buf->len < len) {
        size_t cap = buf->cap ? buf->cap : 256;
        while (cap - buf->len < len) {
            if (cap > SIZE_MAX / 2) { /* can only be a mistake */
                out_last_words("virt-backup: buffer size overflow\n");
                abort();
            }
            cap *= 2;
        }
        buf->data = mem_resize(buf->data, cap, 1);
        buf->cap = cap;
    }
    return buf->data + buf->len;
}

void buf_append(struct buf *buf, const void *data, size_t len)
{
    if (len == 0)
        return;
    memcpy(buf_reserve(buf, len), data, len);
    buf->len += len;
}

void buf_append_str(struct buf *buf, const char *text)
{
    buf_append(buf, text, strlen(text));
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    CLEANUP_FREE char *text = mem_vprintf(format, args);
    va_end(args);
    buf_append_str(buf, text);
}

void buf_put_u8(struct buf *buf, uint8_t value)
{
    buf_append(buf, &value, 1);
}

void buf_put_be32(struct buf *buf, uint32_t value)
{
    uint8_t bytes[4];

    set_be32(bytes, value);
    buf_append(buf, bytes, sizeof(bytes));
}

void buf_put_be64(struct buf *buf, uint64_t value)
{
    uint8_t bytes[8];

    set_be64(bytes, value);
    buf_append(buf, bytes, sizeof(bytes));
}

void buf_put_le32(struct buf *buf, uint32_t value)
{
    uint8_t bytes[4];

    set_le32(bytes, value);
    buf_append(buf, bytes, sizeof(bytes));
}

char *buf_take_str(struct buf *buf)
{
    buf_put_u8(buf, 0);
    char *text = (char *)buf->data;
    *buf = (struct buf){0};
    return text;
}

struct reader reader_of(const void *data, size_t len)
{
    return (struct reader){.p = data, .left = len};
}

const uint8_t *reader_bytes(struct reader *reader, size_t len)
{
    if (reader->failed || reader->left < len) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *p = reader->p;
    reader->p += len;
    reader->left -= len;
    return p;
}

uint8_t reader_u8(struct reader *reader)
{
    const uint8_t *p = reader_bytes(reader, 1);

    return p ? *p : 0;
}

uint32_t reader_be32(struct reader *reader)
{
    const uint8_t *p = reader_bytes(reader, 4);

    return p ? get_be32(p) : 0;
}

uint64_t reader_be64(struct reader *reader)
{
    const uint8_t *p = reader_bytes(reader, 8);

    return p ? get_be64(p) : 0;
}

uint32_t reader_le32(struct reader *reader)
{
    const uint8_t *p = reader_bytes(reader, 4);

    return p ? get_le32(p) : 0;
}

int reader_check(const struct reader *reader, const char *what, struct err *err)
{
    if (reader->failed)
        return err_set(err, ERR_CORRUPT, "%s is too short", what);
    return 0;
}

uint32_t get_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

uint64_t get_be64(const uint8_t *p)
{
    return (uint64_t)get_be32(p) << 32 | get_be32(p + 4);
}

uint32_t get_le32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

void set_be32(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)(value >> 24);
    p[1] = (uint8_t)(value >> 16);
    p[2] = (uint8_t)(value >> 8);
    p[3] = (uint8_t)value;
}

void set_be64(uint8_t *p, uint64_t value)
{
    set_be32(p, (uint32_t)(value >> 32));
    set_be32(p + 4, (uint32_t)value);
}

void set_le32(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
    p[2] = (uint8_t)(value >> 16);
    p[3] = (uint8_t)(value >> 24);
}
