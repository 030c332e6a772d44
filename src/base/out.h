/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * All that this program writes to standard output and standard error.
 *
 * Whoever reads may have stopped: a pager, a terminal after Ctrl-S, a pipe that
 * nobody empties. While a guest is held (paused, down, or with a backup job), it must
 * not wait for a reader. So between out_hold and out_release nothing here blocks: what
 * is not taken at once is kept, up to a bound, and written when out_release is called,
 * or earlier as the reader reads. Only progress may be dropped (out_offer).
 *
 * Outside of that a write waits for its reader, as any program does, until a signal
 * asks us to stop (base/quit.h): then it has two more seconds.
 *
 * May be called from any thread. In a process that has neither called quit_install nor
 * out_hold, nothing but write(2) is called.
 */
#pragma once

#include <stdbool.h>

enum out_stream {
    OUT_RESULTS,  /* standard output */
    OUT_MESSAGES, /* standard error */
};

void out_write(enum out_stream stream, const char *text);
/* Writes text if that is possible without waiting and nothing else waits to be written;
 * else it is dropped. */
void out_offer(enum out_stream stream, const char *text);
/* True if what is written to the stream reaches a terminal. */
bool out_is_terminal(enum out_stream stream);

/* They nest. */
void out_hold(void);
void out_release(void);

/* errno of the first write to standard output that failed, 0: none did. */
int out_failure(void);

/* To standard error, by a process that can't go on: without waiting, without memory. */
void out_last_words(const char *text);
