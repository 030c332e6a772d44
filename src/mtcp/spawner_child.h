/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Children of our own, in the spawner: their segment, and what they do between
 * fork and the loop of child_serve.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "mtcp/spawner.h"

/* The descriptor on which spawner and children have their socket. */
#define SPAWNER_CHILD_SOCK 3

struct spawner_child_segment {
    int fd;        /* owned; -1: none */
    uint8_t *data; /* mapped */
    size_t size;
};

/* Makes and maps a segment of segment->size bytes, all of its memory taken. */
int spawner_child_make_segment(struct spawner_child_segment *segment, struct err *err);
void spawner_child_clear_segment(struct spawner_child_segment *segment);

/* The kernel ends this process when its parent dies; if that has died before it
 * could be asked for, the process ends now. */
void spawner_child_die_with(pid_t parent);
/* Leaves open standard error, SPAWNER_CHILD_SOCK with what was `sock`, and nothing
 * else but /dev/null on standard input and output. */
void spawner_child_keep_only(int sock);
/* The whole life of a child, in a sandbox unless settings->unconfined. */
void spawner_child_run(const struct child_settings *settings, int sock,
                       const struct spawner_child_segment *segment, pid_t parent)
    __attribute__((noreturn));
