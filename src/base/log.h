/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Tells the user on stderr how the work goes: notices, warnings, and with --verbose the details. If
 * the systemd journal reads stderr, each line has its priority. Errors are not logged, they are
 * returned. Whatever could control a terminal is replaced (base/terminal.h), because names come
 * from guests and archives.
 */
#pragma once

#include <stdbool.h>

enum log_level { LOG_QUIET, LOG_NORMAL, LOG_VERBOSE };

void log_set_level(enum log_level level);

/* For cli, which prints returned errors. */
void log_error(const char *text);
/* Likewise, for a warning that is shown as an event: the listener does not get it. */
void log_warning(const char *text);
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));   /* always */
void log_notice(const char *format, ...) __attribute__((format(printf, 1, 2))); /* unless quiet */
void log_detail(const char *format, ...) __attribute__((format(printf, 1, 2))); /* --verbose */

/* A warning about this guest: "guest 'web': TEXT". */
void log_warn_guest(const char *guest, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Gets each warning of log_warn (guest NULL) and log_warn_guest, for whoever does not read stderr;
 * text does not contain the guest's name. Called in the thread that warns. NULL: nobody does. Set
 * it before there are threads or other processes, which inherit it. */
void log_set_listener(void (*listener)(void *opaque, const char *guest, const char *text),
                      void *opaque);

/* True if the systemd journal reads this descriptor. */
bool log_is_journal(int fd);

/* Progress when there is no terminal: a notice that is dropped if nobody reads it, and that the
 * journal does not get. */
void log_passing(const char *line);
/* A notice for the journal only, even if quiet. */
void log_journal(const char *text);
/* Shows `line` as the progress line: on a terminal the next one overwrites it, and it is cleared
 * before anything else is logged; "" clears it. Does nothing if stderr is not a terminal. */
void log_progress(const char *line);
