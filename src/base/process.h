/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Runs other programs, looked up in PATH, to their end (base/launch.h says how they are started).
 * Their standard input is /dev/null. The program is killed if a signal asks us to stop
 * (base/quit.h; the error is "cancelled"), if it makes no progress (base/stall.h; an I/O error), and
 * after a day of CPU time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* Our memory holds what guests hold: from here on this process and those that it forks write no
 * core dump, and only root can attach to them. An exec undoes that, so process_forbid_core is
 * called before each exec. */
void process_hide(void);
/* Disables core dumps, for this process and what it executes. Async-signal-safe. */
void process_forbid_core(void);

/* Runs argv (NULL-terminated) to its end. Its standard output is appended to *output (NULL:
 * /dev/null), up to a limit of 16 MiB. If it exits non-zero the error is "PROGRAM: the last line
 * that it wrote to stderr". */
int process_run(const char *const argv[], struct buf *output, struct err *err);

/* Like process_run, but the program starts in that folder (-1: the current one). */
int process_run_in(int folder_fd, const char *const argv[], struct buf *output, struct err *err);

/* Like process_run, but with this limit on the bytes appended. If there was more (*ret_more), the
 * program is killed, which is not an error. */
int process_run_head(const char *const argv[], struct buf *output, size_t limit, bool *ret_more,
                     struct err *err);

/* Like process_run, with its standard input and output connected to these descriptors, which stay
 * the caller's. in_fd -1: /dev/null. */
int process_filter(const char *const argv[], int in_fd, int out_fd, struct err *err);
