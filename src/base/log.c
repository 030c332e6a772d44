/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/out.h"
#include "base/terminal.h"

#define CLEAR "\r\033[K"

struct log_kind {
    const char *priority; /* of sd-daemon(3) */
    const char *label;
    bool passing; /* may be dropped */
};

static enum log_level log_level = LOG_NORMAL;
static bool progress_shown;
static void (*log_listener)(void *opaque, const char *guest, const char *text);
static void *log_listener_opaque;
/* libvirt's event thread may log at the same time as the main one. */
static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;

void log_set_level(enum log_level level)
{
    log_level = level;
}

void log_set_listener(void (*listener)(void *opaque, const char *guest, const char *text),
                      void *opaque)
{
    log_listener = listener;
    log_listener_opaque = opaque;
}

/* If the journal reads our output (systemd.exec(5), JOURNAL_STREAM), it takes the start of a line
 * as its priority. */
bool log_is_journal(int fd)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device = 0;
    unsigned long long inode = 0;
    struct stat st;

    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(fd, &st) == 0 &&
           st.st_dev == device && st.st_ino == inode;
}

static bool log_to_journal(void)
{
    return log_is_journal(STDERR_FILENO);
}

static void log_put(const struct log_kind *kind, const char *text)
{
    CLEANUP_FREE char *safe = terminal_safe_line(text);

    pthread_mutex_lock(&log_mutex);
    CLEANUP_FREE char *line = mem_printf("%s%svirt-backup: %s%s\n", progress_shown ? CLEAR : "",
                                         log_to_journal() ? kind->priority : "", kind->label, safe);
    progress_shown = false;
    if (kind->passing)
        out_offer(OUT_MESSAGES, line);
    else
        out_write(OUT_MESSAGES, line);
    pthread_mutex_unlock(&log_mutex);
}

static void log_vput(const struct log_kind *kind, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void log_vput(const struct log_kind *kind, const char *format, va_list args)
{
    CLEANUP_FREE char *text = mem_vprintf(format, args);

    log_put(kind, text);
}

void log_error(const char *text)
{
    static const struct log_kind kind = {"<3>", "", false};

    log_put(&kind, text);
}

void log_warning(const char *text)
{
    static const struct log_kind kind = {"<4>", "warning: ", false};

    log_put(&kind, text);
}

static void log_vwarn(const char *guest, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void log_vwarn(const char *guest, const char *format, va_list args)
{
    CLEANUP_FREE char *text = mem_vprintf(format, args);
    CLEANUP_FREE char *line = guest ? mem_printf("guest '%s': %s", guest, text) : mem_strdup(text);

    log_warning(line);
    if (log_listener)
        log_listener(log_listener_opaque, guest, text);
}

void log_warn(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_vwarn(NULL, format, args);
    va_end(args);
}

void log_warn_guest(const char *guest, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_vwarn(guest, format, args);
    va_end(args);
}

void log_notice(const char *format, ...)
{
    static const struct log_kind kind = {"<6>", "", false};
    va_list args;

    if (log_level < LOG_NORMAL)
        return;
    va_start(args, format);
    log_vput(&kind, format, args);
    va_end(args);
}

void log_detail(const char *format, ...)
{
    static const struct log_kind kind = {"<7>", "", false};
    va_list args;

    if (log_level < LOG_VERBOSE)
        return;
    va_start(args, format);
    log_vput(&kind, format, args);
    va_end(args);
}

void log_passing(const char *line)
{
    static const struct log_kind kind = {"<6>", "", true};

    if (log_level >= LOG_NORMAL && !log_to_journal())
        log_put(&kind, line);
}

void log_journal(const char *text)
{
    static const struct log_kind kind = {"<6>", "", false};

    if (log_to_journal())
        log_put(&kind, text);
}

void log_progress(const char *line)
{
    if (!*line && !progress_shown) /* not every process is allowed to ask for a terminal */
        return;
    if (log_level < LOG_NORMAL || !out_is_terminal(OUT_MESSAGES))
        return;
    pthread_mutex_lock(&log_mutex);
    CLEANUP_FREE char *text = mem_printf("%s%s", progress_shown ? CLEAR : "", line);
    if (*line)
        out_offer(OUT_MESSAGES, text);
    else
        out_write(OUT_MESSAGES, text);
    progress_shown = *line != '\0';
    pthread_mutex_unlock(&log_mutex);
}
