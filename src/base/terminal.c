/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/terminal.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "base/buf.h"
#include "base/utf8.h"

static bool terminal_may_show(uint32_t code)
{
    if (code == '\n')
        return true;
    if (code < ' ' || (code >= 0x7f && code < 0xa0))
        return false;
    /* line and paragraph separators; everything that changes the writing direction */
    return code != 0x061c && code != 0x200e && code != 0x200f &&
           !(code >= 0x2028 && code <= 0x202e) && !(code >= 0x2066 && code <= 0x206f);
}

size_t terminal_shows(const char *text)
{
    uint32_t code = 0;
    size_t len = utf8_decode(text, &code);

    return len && terminal_may_show(code) ? len : 0;
}

char *terminal_safe(const char *text)
{
    struct buf safe = {0};

    while (*text) {
        size_t len = utf8_decode(text, NULL);
        if (terminal_shows(text))
            buf_append(&safe, text, len);
        else
            buf_put_u8(&safe, '?');
        text += len ? len : 1;
    }
    return buf_take_str(&safe);
}

char *terminal_safe_line(const char *text)
{
    char *safe = terminal_safe(text);

    for (char *c = safe; *c; c++)
        if (*c == '\n')
            *c = ' ';
    return safe;
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
