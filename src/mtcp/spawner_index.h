/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The process that reads the index of a compressed file, and what it writes into
 * its pipe: one head, then `count` entries, in the machine's own byte order. Both
 * ends are the same program image, but the reader does not believe a byte of it.
 *
 * What it has in common with the process that parses other things (mtcp/spawner_parse.h) is here,
 * too.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/stall.h"
#include "mtcp/spawner.h"

#define SPAWNER_INDEX_TEXT_MAX 512

struct spawner_index_head {
    uint32_t kind; /* an enum err_kind; ERR_NONE: the entries follow */
    int32_t errnum;
    uint64_t count;
    char text[SPAWNER_INDEX_TEXT_MAX];
};

struct spawner_index_entry {
    uint64_t offset; /* from the container's first byte */
    uint32_t stored_len;
    uint32_t raw_len;
};

/* The whole life of that process, which the spawner has forked. */
void spawner_index_run(const struct spawner_index *what, int pipe_fd, int file_fd, pid_t parent)
    __attribute__((noreturn));
/* Reads from fd, a pipe or a socket, what that process, pid, has written, and checks it
 * as spawner_read_index says. Fills *index, which is empty; the caller clears it,
 * after a failure too. */
int spawner_index_take(const struct spawner_index *what, pid_t pid, int fd,
                       struct container_index *index, struct err *err);

/* ---- of both such processes ------------------------------------------------------ */

/* Their descriptors. */
#define SPAWNER_INDEX_PIPE 3 /* for the answer */
#define SPAWNER_INDEX_FILE 4
/* They have nothing left to do after their last byte. */
#define SPAWNER_INDEX_GRACE_MS 2000
#define SPAWNER_INDEX_CPU_S 600

/* In the process: makes these two its only descriptors. */
int spawner_index_place(int pipe_fd, int file_fd);
int spawner_index_send_error(const struct err *failed);
/* In the control process: exactly len bytes. A hostile file may have taken over who answers. */
int spawner_index_receive(int fd, struct stall *stall, void *data, size_t len, struct err *err);
/* The error that the head tells. Returns -1. */
int spawner_index_take_error(struct spawner_index_head *head, struct err *err);
