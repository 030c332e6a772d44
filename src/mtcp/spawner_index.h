/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The process that reads the index of a compressed file. It answers with a struct
 * spawner_apart_head, then `count` entries.
 */
#pragma once

#include "mtcp/spawner_apart.h"

struct spawner_index_entry {
    uint64_t offset; /* from the container's first byte */
    uint32_t stored_len;
    uint32_t raw_len;
};

/* The whole life of that process, which the spawner has forked. */
void spawner_index_run(const struct spawner_index *what, int sock, int file_fd, pid_t parent)
    __attribute__((noreturn));
/* Reads from sock, which may be a pipe, what that process, pid, has written, and checks it
 * as spawner_read_index says. Fills *index, which is empty; the caller clears it,
 * after a failure too. */
int spawner_index_take(const struct spawner_index *what, pid_t pid, int sock,
                       struct container_index *index, struct err *err);
