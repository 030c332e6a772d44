/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which descriptors a new process has. All of this is async-signal-safe, for use
 * between fork and exec.
 */
#pragma once

#include <stddef.h>

/* Where the descriptors of fds_place must not lie: it moves them there and back. */
#define FDS_PLACE_MAX 8

/* Descriptor n becomes what fds[n] was, for each n < count (at most FDS_PLACE_MAX), not
 * closed by an exec; -1 leaves it as it is. One may be named twice, and none is
 * overwritten before it has been used. The former ones stay open: close what lies
 * behind. -1 (errno set) on failure. */
int fds_place(const int fds[], size_t count);
/* Closes all from `first` on. */
void fds_close_from(int first);
/* An exec closes all from `first` on. */
void fds_cloexec_from(int first);
