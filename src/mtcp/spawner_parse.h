/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The process that parses bytes from outside, and what it writes into its pipe: a struct
 * spawner_index_head, then `count` bytes.
 */
#pragma once

#include "mtcp/spawner_index.h"

/* The whole life of that process, which the spawner has forked. */
void spawner_parse_run(const struct spawner_parse *what, int pipe_fd, int file_fd, pid_t parent)
    __attribute__((noreturn));
/* Reads what that process, pid, has written. Fills *ret, which is empty; the caller clears it, after
 * a failure too. */
int spawner_parse_take(const struct spawner_parse *what, pid_t pid, int fd, struct buf *ret,
                       struct err *err);
