/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/terminal.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "base/buf.h"

/* The code point at text and its length in bytes; 0 if the bytes are no UTF-8. */
static size_t decode(const unsigned char *text, uint32_t *ret_code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = text[0] < 0x80   ? 1
                 : text[0] < 0xc0 ? 0
                 : text[0] < 0xe0 ? 2
                 : text[0] < 0xf0 ? 3
                                  : 4;

    if (len == 0 || text[0] >= 0xf8)
        return 0;
    uint32_t code = len == 1 ? text[0] : text[0] & (0x7fU >> len);
    for (size_t i = 1; i < len; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (text[i] & 0x3f);
    }
    if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    *ret_code = code;
    return len;
}

static bool may_be_shown(uint32_t code)
{
    if (code == '\n')
        return true;
    if (code < ' ' || (code >= 0x7f && code < 0xa0))
        return false;
    /* line and paragraph separator, embedding and override of direction, isolates */
    return !(code >= 0x2028 && code <= 0x202e) && !(code >= 0x2066 && code <= 0x2069) &&
           code != 0x200e && code != 0x200f;
}

char *terminal_safe(const char *text)
{
    struct buf safe = {0};

    while (*text) {
        uint32_t code = 0;
        size_t len = decode((const unsigned char *)text, &code);
        if (len && may_be_shown(code))
            buf_append(&safe, text, len);
        else
            buf_put_u8(&safe, '?');
        text += len ? len : 1;
    }
    return buf_take_str(&safe);
}

unsigned terminal_columns(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
        return 80;
    return size.ws_col;
}

void terminal_cut(char *text, unsigned columns)
{
    mbstate_t state = {0};
    unsigned used = 0;

    while (*text) {
        wchar_t wide;
        size_t len = mbrtowc(&wide, text, MB_LEN_MAX, &state);
        bool known = len != (size_t)-1 && len != (size_t)-2;
        int width = known ? wcwidth(wide) : 1;
        used += width < 0 ? 1 : (unsigned)width;
        if (used >= columns) {
            *text = '\0';
            return;
        }
        if (!known)
            state = (mbstate_t){0};
        text += known ? len : 1;
    }
}
