/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The monotonic clock, and poll(), in place of the real ones for a program that links this. Once
 * fast_clock_start was called, the clock stands still except for what poll() moves it on by, its
 * timeout, when it finds nothing. A poll() with the timeout poll_ms hardly waits: ten minutes pass in
 * some hundred of them. Others wait for as long as they say, unless poll_ms is FAST_CLOCK_ALL.
 */
#pragma once

#include <stdint.h>

#define FAST_CLOCK_ALL (-1)

void fast_clock_start(int poll_ms);
/* The clock of the wall goes with it, from this time on, in seconds since 1970. Call it after
 * fast_clock_start. */
void fast_clock_set_wall(int64_t now_s);
int64_t fast_clock_wall_s(void);
/* The real clock again. */
void fast_clock_stop(void);
/* Moves it on. */
void fast_clock_pass(uint64_t ms);
