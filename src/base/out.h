/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Everything that this program writes to standard output and standard error.
 *
 * Whoever reads it may have stopped: a pager, a terminal after Ctrl-S, a pipe that nobody empties.
 * While a guest is held (paused, down, or with a backup job), it must not wait for a reader. So
 * between out_hold and out_release nothing here blocks: what is not accepted at once is kept, up to
 * a limit, and written when out_release is called, or earlier as the reader reads. Only progress
 * may be dropped (out_offer).
 *
 * At other times a write waits for its reader, as in any program, until a signal asks us to stop
 * (base/quit.h): then it waits two more seconds.
 *
 * May be called from any thread. In a process that has called neither quit_install nor out_hold,
 * the only system call is write(2).
 */
#pragma once

#include <stdbool.h>

enum out_stream {
    OUT_RESULTS,  /* standard output */
    OUT_MESSAGES, /* standard error */
};

void out_write(enum out_stream stream, const char *text);
/* Writes text if that is possible without waiting and nothing else is waiting to be written;
 * otherwise drops it. */
void out_offer(enum out_stream stream, const char *text);
/* True if the stream is a terminal. */
bool out_is_terminal(enum out_stream stream);

/* These nest. */
void out_hold(void);
void out_release(void);

/* errno of the first failed write to standard output; 0: none failed. */
int out_failure(void);

/* Writes to standard error in a process that cannot go on: does not wait or allocate memory. */
void out_last_words(const char *text);
