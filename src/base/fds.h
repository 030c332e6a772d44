/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sets up the descriptors of a new process. Everything here is async-signal-safe, for use between
 * fork and exec.
 */
#pragma once

#include <stddef.h>

/* The most that fds_place can place; it temporarily copies the descriptors to this number and
 * above. */
#define FDS_PLACE_MAX 8

/* Makes descriptor n what fds[n] was, for each n < count (at most FDS_PLACE_MAX), without
 * close-on-exec; -1 leaves n as it is. A descriptor may be named twice, and none is overwritten
 * before it has been used. The original ones stay open: close those above. -1 (errno set) on
 * failure. */
int fds_place(const int fds[], size_t count);
/* Closes all descriptors from `first` on. */
void fds_close_from(int first);
/* Sets close-on-exec for all descriptors from `first` on. */
void fds_cloexec_from(int first);
