/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The processes that read bytes from outside in place of the control process: what the one that
 * reads an index (mtcp/spawner_index.h) and the one that parses (mtcp/spawner_parse.h) have in
 * common. Each has one end of a socket and answers with a head, then with what the head counts, in
 * the machine's own byte order. Both ends are the same program image, but the control process does
 * not believe a byte of it: a hostile file may have taken over who answers.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/stall.h"
#include "mtcp/spawner_process.h"

#define SPAWNER_APART_TEXT_MAX 512

struct spawner_apart_head {
    uint32_t kind; /* an enum err_kind; ERR_NONE: `count` things follow */
    int32_t errnum;
    uint64_t count;
    char text[SPAWNER_APART_TEXT_MAX];
};

/* ---- in such a process ---------------------------------------------------------------- */

/* Its descriptors. */
#define SPAWNER_APART_SOCK 3
#define SPAWNER_APART_FILE 4
#define SPAWNER_APART_CPU_S 600

/* Makes these two its only descriptors. file_fd: -1 if it has no file. */
int spawner_apart_place(int sock, int file_fd);
int spawner_apart_send_error(const struct err *failed);

/* ---- in the control process ----------------------------------------------------------- */

struct spawner_apart {
    pid_t pid;
    int sock; /* owned; -1: there is no such process */
};

/* Has the spawner fork the process that the request asks for. file_fd: -1, or what it is to read. */
int spawner_apart_start(struct spawner *spawner, const struct spawner_request *request, int file_fd,
                        struct spawner_apart *ret, struct err *err);
/* Ends it, and returns status, what came of it. To an error that tells no more than that it has
 * ended, why is appended. */
int spawner_apart_end(struct spawner *spawner, struct spawner_apart *apart, int status,
                      struct err *err);
/* Exactly len bytes. Fail if it has ended (an I/O error), if it makes no progress (an I/O error with
 * ETIMEDOUT), and after a signal (cancelled). */
int spawner_apart_send(int sock, struct stall *stall, const void *data, size_t len,
                       struct err *err);
int spawner_apart_receive(int sock, struct stall *stall, void *data, size_t len, struct err *err);
/* The error that the head tells. Returns -1. */
int spawner_apart_take_error(struct spawner_apart_head *head, struct err *err);
