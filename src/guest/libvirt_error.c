/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/libvirt_error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <libvirt/virterror.h>

#include "base/array.h"
#include "base/buf.h"
#include "base/shell.h"
#include "guest/bounded.h"

static const struct {
    int code;
    enum err_kind kind;
} kinds[] = {
    {VIR_ERR_NO_DOMAIN, ERR_NOT_FOUND},
    {VIR_ERR_NO_NETWORK, ERR_NOT_FOUND},
    {VIR_ERR_NO_STORAGE_POOL, ERR_NOT_FOUND},
    {VIR_ERR_NO_STORAGE_VOL, ERR_NOT_FOUND},
    {VIR_ERR_NO_SECRET, ERR_NOT_FOUND},
    {VIR_ERR_NO_NWFILTER, ERR_NOT_FOUND},
    {VIR_ERR_NO_DOMAIN_CHECKPOINT, ERR_NOT_FOUND},
    {VIR_ERR_CHECKPOINT_INCONSISTENT, ERR_NOT_FOUND}, /* no sound bitmap */
    {VIR_ERR_OPERATION_DENIED, ERR_DENIED},
    {VIR_ERR_ACCESS_DENIED, ERR_DENIED},
    {VIR_ERR_AUTH_FAILED, ERR_DENIED},
    {VIR_ERR_AUTH_CANCELLED, ERR_DENIED},
    {VIR_ERR_AUTH_UNAVAILABLE, ERR_DENIED},
    {VIR_ERR_OPERATION_TIMEOUT, ERR_BUSY},
    {VIR_ERR_RESOURCE_BUSY, ERR_BUSY},
    {VIR_ERR_OPERATION_ABORTED, ERR_CANCELLED},
    {VIR_ERR_NO_CONNECT, ERR_USAGE}, /* no driver for this URI */
    {VIR_ERR_DOM_EXIST, ERR_EXISTS},
    {VIR_ERR_NO_SUPPORT, ERR_UNSUPPORTED},
    {VIR_ERR_OPERATION_UNSUPPORTED, ERR_UNSUPPORTED},
    {VIR_ERR_CONFIG_UNSUPPORTED, ERR_UNSUPPORTED},
    {VIR_ERR_ARGUMENT_UNSUPPORTED, ERR_UNSUPPORTED},
};

/* The errno of a failed system call of libvirt, or 0. */
static int errno_of(const virError *error)
{
    return error->code == VIR_ERR_SYSTEM_ERROR && error->int1 > 0 ? error->int1 : 0;
}

static enum err_kind kind_of_libvirt_errno(int errnum)
{
    CLEANUP_ERR struct err probe = ERR_INIT;

    err_set_errno(&probe, errnum, "libvirt");
    return probe.kind;
}

static enum err_kind kind_of(const virError *error)
{
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++)
        if (kinds[i].code == error->code)
            return kinds[i].kind;
    if (errno_of(error))
        return kind_of_libvirt_errno(errno_of(error));
    /* Errors reported by libvirt's helper processes have no code of their own, only this text. */
    if (error->message && strstr(error->message, "No space left on device"))
        return ERR_NO_SPACE;
    return ERR_IO;
}

/* QEMU's own messages contain newlines, and end with one. */
static char *one_line(const char *message)
{
    struct buf line CLEANUP_BUF = {0};

    while (*message) {
        size_t len = strcspn(message, "\r\n");
        if (len > 0 && line.len > 0)
            buf_append_str(&line, "; ");
        buf_append(&line, message, len);
        message += len + strspn(message + len, "\r\n");
    }
    return buf_take_str(&line);
}

/* A call that was not waited for any longer; what libvirt says of it then is beside the point. */
static int gave_up(struct err *err, enum bounded_reason reason, uint64_t after_ms, const char *what)
{
    if (reason == BOUNDED_SIGNAL)
        err_set(err, ERR_CANCELLED, "%s: stopped by a signal while libvirt did not answer", what);
    else
        err_set(err, ERR_TRANSIENT, "%s: libvirt did not answer within %" PRIu64 " s", what,
                after_ms / 1000);
    if (err)
        err->errnum = ETIMEDOUT;
    return err_append(err, "it may still do what it was asked for");
}

int libvirt_error(struct err *err, const char *format, ...)
{
    uint64_t after_ms = 0;
    enum bounded_reason reason = bounded_ended(&after_ms);
    const virError *error = virGetLastError();
    CLEANUP_FREE char *what = NULL;
    va_list args;

    va_start(args, format);
    int len = vasprintf(&what, format, args);
    va_end(args);
    if (len < 0)
        what = NULL;
    if (reason != BOUNDED_GOES_ON)
        return gave_up(err, reason, after_ms, what ? what : "libvirt");
    CLEANUP_FREE char *message =
        one_line(error && error->message ? error->message : "libvirt gives no reason");
    enum err_kind kind = error ? kind_of(error) : ERR_IO;
    err_set(err, kind, "%s: %s", what ? what : "libvirt", message);
    if (err && error)
        err->errnum = errno_of(error);
    if (error && error->code == VIR_ERR_OPERATION_TIMEOUT)
        err_append(err, "another job (a backup, snapshot, save or migration) is running on this "
                        "guest; try again when it has ended");
    return -1;
}

int libvirt_error_job(struct err *err, const char *job, const char *guest)
{
    CLEANUP_FREE char *line = shell_virsh("domjobinfo", guest);

    return err_set(err, ERR_BUSY,
                   "%s is running on this guest; try again when it has ended; to see it, run: %s",
                   job, line);
}

int libvirt_error_code(void)
{
    const virError *error = virGetLastError();

    return error ? error->code : 0;
}

bool libvirt_error_is_unknown_call(void)
{
    int code = libvirt_error_code();

    return code == VIR_ERR_NO_SUPPORT || code == VIR_ERR_OPERATION_UNSUPPORTED;
}

static void ignore_error(void *opaque, virErrorPtr error)
{
    (void)opaque;
    (void)error;
}

void libvirt_error_silence(void)
{
    virSetErrorFunc(NULL, ignore_error);
}
