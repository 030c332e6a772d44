/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/utf8.h"

#include <string.h>

size_t utf8_decode(const char *text, uint32_t *ret_code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *bytes = (const unsigned char *)text;
    size_t len = bytes[0] < 0x80   ? 1
                 : bytes[0] < 0xc0 ? 0
                 : bytes[0] < 0xe0 ? 2
                 : bytes[0] < 0xf0 ? 3
                                   : 4;

    if (len == 0 || bytes[0] >= 0xf8)
        return 0;
    uint32_t code = len == 1 ? bytes[0] : bytes[0] & (0x7fU >> len);
    for (size_t i = 1; i < len; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (bytes[i] & 0x3f);
    }
    if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    if (ret_code)
        *ret_code = code;
    return len;
}

size_t utf8_cut(const char *text, size_t max)
{
    size_t len = strnlen(text, max + 1);

    if (len <= max)
        return len;
    for (len = max; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80;)
        len--;
    return len;
}
