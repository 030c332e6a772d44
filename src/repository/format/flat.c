/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/format/flat.h"

#include <string.h>

#include "base/utf8.h"

void flat_put_text(struct buf *ret, const char *text)
{
    buf_put_be32(ret, (uint32_t)strlen(text));
    buf_append_str(ret, text);
}

char *flat_text(struct reader *reader, size_t max)
{
    uint32_t len = reader_be32(reader);
    const uint8_t *bytes = len > 0 && len <= max ? reader_bytes(reader, len) : NULL;

    if (!bytes || memchr(bytes, '\0', len)) {
        reader->failed = true;
        return NULL;
    }
    CLEANUP_FREE char *text = mem_strndup((const char *)bytes, len);
    for (size_t at = 0, step; text[at]; at += step)
        if ((step = utf8_decode(text + at, NULL)) == 0) {
            reader->failed = true;
            return NULL;
        }
    return TAKE_PTR(text);
}

int64_t flat_time_ms(struct reader *reader)
{
    uint64_t time_ms = reader_be64(reader);

    reader->failed = reader->failed || time_ms > FLAT_LAST_MS;
    return reader->failed ? 0 : (int64_t)time_ms;
}
