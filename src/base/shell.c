/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/shell.h"

#include <stdint.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/terminal.h"
#include "base/utf8.h"

static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                            "_@%+:,./-";

/* Quotes and backslashes are octal too: a shell without $'...' must still see one word, even if a
 * wrong one. */
static void shell_quote_bytes(const char *text, struct buf *quoted)
{
    buf_append_str(quoted, "$'");
    while (*text) {
        size_t len = strchr("'\\\n", *text) ? 0 : terminal_shows(text);
        if (len)
            buf_append(quoted, text, len);
        else
            buf_printf(quoted, "\\%03o", (unsigned)(unsigned char)*text);
        text += len ? len : 1;
    }
    buf_append_str(quoted, "'");
}

static void shell_quote_text(const char *text, struct buf *quoted)
{
    buf_append_str(quoted, "'");
    for (; *text; text++)
        if (*text == '\'')
            buf_append_str(quoted, "'\\''");
        else
            buf_put_u8(quoted, (uint8_t)*text);
    buf_append_str(quoted, "'");
}

static bool shell_all_shown(const char *text)
{
    for (size_t len; *text; text += len)
        if (*text == '\n' || (len = terminal_shows(text)) == 0)
            return false;
    return true;
}

char *shell_quote(const char *text)
{
    struct buf quoted = {0};

    if (*text && text[strspn(text, plain)] == '\0')
        buf_append_str(&quoted, text);
    else if (shell_all_shown(text))
        shell_quote_text(text, &quoted);
    else
        shell_quote_bytes(text, &quoted);
    return buf_take_str(&quoted);
}

char *shell_quote_listed(const char *name)
{
    struct buf listed = {0};

    for (; *name; name++) {
        if (*name == ',' || *name == '\\')
            buf_put_u8(&listed, '\\');
        buf_put_u8(&listed, (uint8_t)*name);
    }
    CLEANUP_FREE char *text = buf_take_str(&listed);
    return shell_quote(text);
}

char *shell_virsh(const char *verb, const char *operand)
{
    CLEANUP_FREE char *quoted = shell_quote(operand);

    return mem_printf("virsh %s %s%s", verb, *operand == '-' ? "-- " : "", quoted);
}
