/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The spawner: the first process that main forks, before libvirt, libnbd or any
 * thread exists. It has no other job than to fork children on request, so that
 * a dead child is replaced and the pool sized per guest after libvirt is open,
 * from a process that is still small and single-threaded. It maps the shared
 * segment of each child before it forks it and hands socket and segment over
 * with SCM_RIGHTS. It ends when the control process's end of its socket closes;
 * children end when theirs does. The kernel kills both when their parent dies.
 * Children of our own work in a sandbox (base/sandbox.h), a foreign program does not.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/parser.h"
#include "codec/codec.h"
#include "codec/container.h"

struct spawner;

/* What a child is for. Plain data: it crosses the socket as it stands (both ends
 * are the same program image). */
struct child_settings {
    struct codec_spec codec;
    bool decode;
    uint64_t chunk_size;
    uint64_t memory_limit; /* of the decoder, bytes */
    bool block_digests;    /* it tells those of each chunk's blocks */
    bool digests_known;    /* encoding: it makes none; a foreign child does all the same */
    bool foreign;          /* the program given to spawner_start, speaking C, not M */
    bool unconfined;       /* not in the sandbox; ignored for a foreign child */
};

/* A child as the control process holds it. */
struct child {
    pid_t pid;       /* that the spawner forked; a foreign child may announce another */
    int sock;        /* non-blocking stream socket, -1 when closed */
    uint8_t *shared; /* mapped segment: see mtcp/shared.h; NULL for a foreign child */
    size_t shared_size;
};

/* Forks the spawner. child_command: NULL, or the path of the program to be
 * executed for foreign children (not looked up in PATH; borrowed until the call
 * returns). */
struct spawner *spawner_start(const char *child_command, struct err *err);
/* Proves that the sandbox denies, as the first spawner_fork would (unsupported: it does not, or
 * is not available). */
int spawner_prove_sandbox(struct spawner *spawner, struct err *err);
/* A new child. Fails if there is no memory for its segment, if no process can be forked, or if
 * the program of a foreign child cannot be executed. */
int spawner_fork(struct spawner *spawner, const struct child_settings *settings, struct child *ret,
                 struct err *err);
/* Where a container is in a file; plain data, see above. */
struct spawner_index {
    enum codec_type type;
    uint64_t start;
    uint64_t size;
    bool unconfined;
};

/* container_read in a process of its own, in the sandbox unless `unconfined`, in
 * which fd can be read and nothing else be done. What it answers is checked: the
 * blocks are in order, within the file, and of possible lengths. Blocks; a signal
 * ends it (cancelled), and so does a process that makes no progress (base/stall.h;
 * an I/O error). An error of any other kind counts as corrupt. */
int spawner_read_index(struct spawner *spawner, const struct spawner_index *what, int fd,
                       struct container_index *ret, struct err *err);
/* Plain data, see above; the function is at the same address in all of our processes. */
struct spawner_parse {
    parser_function *parser;
    uint64_t size; /* of the data */
    uint64_t max;  /* of what it makes */
    bool alone;    /* by a process that has parsed nothing else */
    bool unconfined;
};

/* Calls the parser in another process, in the sandbox unless `unconfined`, which has the data and
 * nothing else. What it makes comes into *ret, which is empty: at most what->max bytes, which are
 * not to be trusted. The process has memory for the data and for so many, and some beside. One serves
 * many calls, unless `alone`; an error always comes from one that has served no other. Blocks and
 * fails like spawner_read_index. */
int spawner_parse_apart(struct spawner *spawner, const struct spawner_parse *what, const void *data,
                        struct buf *ret, struct err *err);
/* A parser that does so. Borrows the spawner. */
struct parser spawner_parser(struct spawner *spawner, bool unconfined);
/* How a child has ended. */
struct spawner_end {
    char *why; /* owned: "killed by signal 9 (Killed)", "exited with status 1" */
    /* By SIGKILL, but not by the spawner: somebody has killed it, or the kernel for want of memory. What it
     * was given to work on has nothing to do with that. */
    bool from_outside;
};

void spawner_end_clear(struct spawner_end *end);
#define CLEANUP_SPAWNER_END CLEANUP(spawner_end_clear)

/* Waits until a child has ended. ret may be NULL. A child that still runs after grace_ms is killed with
 * SIGKILL. One that waits for storage that hangs cannot be killed: it is left behind five seconds
 * later ("cannot be killed"). */
int spawner_wait(struct spawner *spawner, pid_t pid, unsigned grace_ms, struct spawner_end *ret,
                 struct err *err);
/* Closes the socket and unmaps the segment. Does not wait for the child. */
void spawner_close_child(struct child *child);
/* Ends the spawner and waits for it. Accepts NULL. */
void spawner_free(struct spawner *spawner);
DEFINE_CLEANUP(struct spawner *, spawner_freep, spawner_free)
