/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/format/varint.h"

#define MORE 0x80u
#define BITS 7

void varint_put(struct buf *buf, uint64_t value)
{
    for (; value >= MORE; value >>= BITS)
        buf_put_u8(buf, (uint8_t)(value | MORE));
    buf_put_u8(buf, (uint8_t)value);
}

uint64_t varint_get(struct reader *reader)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64; shift += BITS) {
        uint8_t byte = reader_u8(reader);
        uint64_t bits = byte & (MORE - 1);
        if (bits << shift >> shift != bits)
            break;
        value |= bits << shift;
        if (byte < MORE) {
            if (byte == 0 && shift > 0)
                break; /* it would be shorter without */
            return reader->failed ? 0 : value;
        }
    }
    reader->failed = true;
    return 0;
}
