/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the user is told while work goes on, on stderr: notices, warnings, and
 * with --verbose the details. Where the journal reads it, each line has its priority.
 * Errors are not logged, they are returned.
 * What would steer a terminal is replaced (base/terminal.h): names come from guests
 * and archives.
 */
#pragma once

enum log_level { LOG_QUIET, LOG_NORMAL, LOG_VERBOSE };

void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* For cli, which prints what was returned. */
void log_error(const char *text);
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));   /* always */
void log_notice(const char *format, ...) __attribute__((format(printf, 1, 2))); /* not quiet */
void log_detail(const char *format, ...) __attribute__((format(printf, 1, 2))); /* --verbose */

/* Progress where there is no terminal: a notice that is dropped if nobody reads, and
 * that a journal does not get. */
void log_passing(const char *line);
/* A notice, also if quiet, that only a journal gets. */
void log_journal(const char *text);
/* Shows `line` as the progress line: overwritten by the next one on a terminal
 * and cleared before anything else is logged; "" clears it. Does nothing when
 * stderr is not a terminal. */
void log_progress(const char *line);
