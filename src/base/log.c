/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/terminal.h"

static enum log_level log_level = LOG_NORMAL;
static bool progress_shown;
/* libvirt's event thread may log beside the main one. */
static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;

void log_set_level(enum log_level level)
{
    log_level = level;
}

enum log_level log_get_level(void)
{
    return log_level;
}

static void clear_progress(void)
{
    if (progress_shown)
        fputs("\r\033[K", stderr);
    progress_shown = false;
}

static void put_line(const char *label, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void put_line(const char *label, const char *format, va_list args)
{
    CLEANUP_FREE char *text = mem_vprintf(format, args);
    CLEANUP_FREE char *safe = terminal_safe_line(text);

    pthread_mutex_lock(&log_mutex);
    clear_progress();
    fprintf(stderr, "virt-backup: %s%s\n", label, safe);
    pthread_mutex_unlock(&log_mutex);
}

void log_warn(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put_line("warning: ", format, args);
    va_end(args);
}

void log_notice(const char *format, ...)
{
    va_list args;

    if (log_level < LOG_NORMAL)
        return;
    va_start(args, format);
    put_line("", format, args);
    va_end(args);
}

void log_detail(const char *format, ...)
{
    va_list args;

    if (log_level < LOG_VERBOSE)
        return;
    va_start(args, format);
    put_line("", format, args);
    va_end(args);
}

void log_progress(const char *line)
{
    if (!*line && !progress_shown) /* asking for a terminal is more than some processes may */
        return;
    if (log_level < LOG_NORMAL || !isatty(STDERR_FILENO))
        return;
    pthread_mutex_lock(&log_mutex);
    clear_progress();
    if (*line) {
        fputs(line, stderr);
        fflush(stderr);
        progress_shown = true;
    }
    pthread_mutex_unlock(&log_mutex);
}
