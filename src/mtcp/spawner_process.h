/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What runs in the spawner, and what crosses its socket (SOCK_SEQPACKET): one
 * request, one answer. The answer to a fork carries the child's socket and, for
 * a child of our own, its memfd; the answer to an index or a parse, the end of a socket,
 * see mtcp/spawner_apart.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "mtcp/spawner.h"

#define SPAWNER_TEXT_MAX 1024

/* Of a process that parses. */
struct spawner_parse_limits {
    uint64_t memory;
    bool unconfined;
};

struct spawner_request {
    enum { SPAWNER_PROVE, SPAWNER_FORK, SPAWNER_INDEX, SPAWNER_PARSE, SPAWNER_WAIT } kind;
    struct child_settings settings;    /* fork */
    struct spawner_index index;        /* index; the file's descriptor comes with it */
    struct spawner_parse_limits parse; /* parse */
    pid_t pid;                         /* wait */
    unsigned grace_ms;
};

struct spawner_answer {
    enum err_kind kind; /* ERR_NONE: done */
    int errnum;
    pid_t pid;
    size_t shared_size;          /* 0: no segment */
    bool from_outside;           /* as in struct spawner_end */
    char text[SPAWNER_TEXT_MAX]; /* the error, or why a child has ended */
};

struct spawner_reply {
    struct spawner_answer answer;
    int fds[2]; /* that came with it, the caller's to close; -1: none */
};

/* Sends the request, with fd unless it is -1, and waits for the answer. *ret is set even if it is
 * an error: descriptors may have come with it. */
int spawner_ask(struct spawner *spawner, const struct spawner_request *request, int fd,
                struct spawner_reply *ret, struct err *err);
/* Serves requests until the socket ends; never returns. parent: the pid of the
 * process that has forked this one. */
void spawner_process_run(int sock, const char *child_command, pid_t parent)
    __attribute__((noreturn));
