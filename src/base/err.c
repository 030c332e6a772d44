/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/err.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"

static char *format_text(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

static char *format_text(const char *format, va_list args)
{
    char *text = NULL;

    if (vasprintf(&text, format, args) < 0)
        return mem_strdup("out of memory while describing an error");
    return text;
}

static void put_error(struct err *err, enum err_kind kind, int errnum, char *text)
{
    err_clear(err);
    *err = (struct err){.kind = kind, .errnum = errnum, .text = text};
}

int err_set(struct err *err, enum err_kind kind, const char *format, ...)
{
    va_list args;

    if (!err)
        return -1;
    va_start(args, format);
    char *text = format_text(format, args);
    va_end(args);
    put_error(err, kind, 0, text);
    return -1;
}

static enum err_kind kind_of_errno(int errnum)
{
    switch (errnum) {
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    case EEXIST:
        return ERR_EXISTS;
    case EBUSY:
    case EWOULDBLOCK:
    case ETXTBSY:
        return ERR_BUSY;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return ERR_NO_SPACE;
    case EACCES:
    case EPERM:
    case EROFS:
        return ERR_DENIED;
    case ENOMEM: /* these tell of this host, and not of what was to be read */
    case EMFILE:
    case ENFILE:
        return ERR_TRANSIENT;
    default:
        return ERR_IO;
    }
}

int err_set_errno(struct err *err, int errnum, const char *format, ...)
{
    va_list args;

    if (!err)
        return -1;
    va_start(args, format);
    CLEANUP_FREE char *text = format_text(format, args);
    va_end(args);
    put_error(err, kind_of_errno(errnum), errnum, mem_printf("%s: %s", text, strerror(errnum)));
    return -1;
}

int err_prefix(struct err *err, const char *format, ...)
{
    va_list args;

    if (!err || !err->text)
        return -1;
    va_start(args, format);
    CLEANUP_FREE char *prefix = format_text(format, args);
    va_end(args);
    char *text = mem_printf("%s: %s", prefix, err->text);
    free(err->text);
    err->text = text;
    return -1;
}

int err_append(struct err *err, const char *format, ...)
{
    va_list args;

    if (!err || !err->text)
        return -1;
    va_start(args, format);
    CLEANUP_FREE char *more = format_text(format, args);
    va_end(args);
    char *text = mem_printf("%s; %s", err->text, more);
    free(err->text);
    err->text = text;
    return -1;
}

int err_note_remedy(struct err *err, enum err_remedy remedy)
{
    if (err && err->text)
        err->remedy = remedy;
    return -1;
}

int err_move(struct err *to, struct err *from)
{
    if (!to) {
        err_clear(from);
        return -1;
    }
    err_clear(to);
    *to = *from;
    *from = ERR_INIT;
    return -1;
}

void err_clear(struct err *err)
{
    if (!err)
        return;
    free(err->text);
    *err = ERR_INIT;
}

const char *err_kind_name(enum err_kind kind)
{
    static const char *const names[] = {
        [ERR_NONE] = "none",           [ERR_USAGE] = "usage",
        [ERR_NOT_FOUND] = "not-found", [ERR_EXISTS] = "exists",
        [ERR_BUSY] = "busy",           [ERR_CORRUPT] = "corrupt",
        [ERR_NO_SPACE] = "no-space",   [ERR_TRANSIENT] = "transient",
        [ERR_CANCELLED] = "cancelled", [ERR_UNSUPPORTED] = "unsupported",
        [ERR_DENIED] = "denied",       [ERR_IO] = "io",
        [ERR_INTERNAL] = "internal",
    };

    return names[kind];
}
