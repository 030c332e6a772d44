/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Other programs, run to their end (base/launch.h says how they are started), looked
 * up in PATH. Their standard input is /dev/null. When a signal asks us to stop
 * (base/quit.h), the program is killed and the error is "cancelled".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* Memory holds what guests hold: from here on this process and those that it forks
 * write no core dump, and nobody but root can attach to them. An exec takes that
 * back; what is executed gets process_forbid_core before. */
void process_hide(void);
/* No core dumps, for this process and what it executes. Async-signal-safe. */
void process_forbid_core(void);

/* Runs argv (NULL-terminated) to its end. Its standard output is appended to
 * *output (NULL: /dev/null) up to a limit of 16 MiB. When it exits non-zero the
 * error is "PROGRAM: the last line that it wrote to stderr". */
int process_run(const char *const argv[], struct buf *output, struct err *err);

/* As process_run, and the program begins in that folder (-1: where we are). */
int process_run_in(int folder_fd, const char *const argv[], struct buf *output, struct err *err);

/* As process_run, but up to this limit, of bytes appended; when there was more
 * (*ret_more), the program is killed and that is no error. */
int process_run_head(const char *const argv[], struct buf *output, size_t limit, bool *ret_more,
                     struct err *err);

/* As process_run, with its standard input and output connected to these
 * descriptors, which stay the caller's. in_fd -1: /dev/null. */
int process_filter(const char *const argv[], int in_fd, int out_fd, struct err *err);
