/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The control process's end of one child: its messages over the non-blocking
 * socket, and what it is doing. Knows the protocol's sequence; knows nothing of
 * other children, sources and sinks. Never blocks, except where said.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/err.h"
#include "mtcp/message.h"
#include "mtcp/shared.h"
#include "mtcp/spawner.h"

/* From each state, what moves it on:
 *   RESTING   its I       -> IDLE
 *   IDLE      worker_give -> BUSY
 *   BUSY      its D       -> DONE; its E: the chunk has failed -> RESTING
 *   DONE      worker_fetch -> FETCHING
 *   FETCHING  its result  -> RESTING, and `holding` until worker_release
 */
enum worker_state {
    WORKER_RESTING,  /* its next message is I */
    WORKER_IDLE,     /* has said I */
    WORKER_BUSY,     /* has a chunk */
    WORKER_DONE,     /* has said D */
    WORKER_FETCHING, /* was told F; its next message is the result */
};

enum worker_event {
    WORKER_NOTHING, /* nothing more to read now */
    WORKER_SAID_IDLE,
    WORKER_SAID_DONE,
    WORKER_SAID_BLOCKS, /* the digests of the blocks have come; the result is next */
    WORKER_SAID_RESULT, /* it stays in `output` until worker_release */
    WORKER_SAID_ERROR,  /* the chunk failed; `text` says why */
    WORKER_HUNG_UP,
};

struct worker {
    struct child child; /* child.sock is -1: there is none */
    bool foreign;
    bool pid_known; /* a foreign child's pid is what its first I says */
    uint32_t pid;   /* in messages */
    enum worker_state state;
    bool holding; /* output is in use: no new chunk, no F */
    uint64_t id;  /* BUSY, DONE, FETCHING: of which chunk */
    uint8_t *own; /* input and output of a foreign child */
    uint8_t *inputs[SHARED_INPUTS];
    uint8_t *input;       /* of the next chunk; a foreign child's is ours only while it is idle */
    const uint8_t *given; /* of the last chunk that it was given */
    size_t input_size;
    uint8_t *output;
    size_t output_size;
    size_t output_len;
    uint8_t *blocks;    /* digests of the blocks of the chunk whose result is in `output` */
    size_t blocks_size; /* room; 0: they are not wanted */
    size_t blocks_len;  /* that a foreign child has sent with this chunk */
    char text[MESSAGE_TEXT_MAX + 1];

    /* message that is being sent: head, then data */
    uint8_t out_head[MESSAGE_HEAD_MAX];
    size_t out_head_len;
    const uint8_t *out_data;
    size_t out_len; /* head and data */
    size_t out_done;

    /* message that is being received */
    uint8_t in_head[MESSAGE_HEAD_MAX];
    size_t in_head_len;
    struct message in;
    bool in_whole; /* head is complete, data may be missing */
    size_t in_done;

    uint64_t cpu_ns; /* told by worker_cpu_ns so far */
};

/* A zeroed worker, or one whose child has ended, gets a new child. Blocks until
 * the spawner has forked it. */
int worker_start(struct worker *worker, struct spawner *spawner,
                 const struct child_settings *settings, struct err *err);
/* True if a chunk may be written to `input` and be given to it. */
bool worker_can_take(const struct worker *worker);
/* True if a chunk may be written to `input` while it has another one. */
bool worker_can_load(const struct worker *worker);
/* Sends the first len bytes of `input` as chunk id. */
void worker_give(struct worker *worker, uint64_t id, size_t len);
/* Sends F for the chunk that the child has said D of. */
void worker_fetch(struct worker *worker);
/* Sends Q, unless a message is half sent, and ends the stream to the child. */
void worker_quit(struct worker *worker);
/* The result is not needed any more. */
void worker_release(struct worker *worker);
/* The digest of the raw chunk whose result is in `output`, as noted by the child (only children
 * of our own do so). */
const uint8_t *worker_noted_digest(const struct worker *worker);
/* The same of its blocks: *ret is set to NULL if a foreign child has given none. Only if they are
 * wanted. -1: they are not those of a chunk of raw_len bytes. The child may still change them. */
int worker_noted_blocks(const struct worker *worker, uint32_t raw_len, const uint8_t **ret,
                        struct err *err);

/* For poll(). */
short worker_poll_events(const struct worker *worker);
/* Sends what is left to be sent. A child that has gone is noticed by worker_receive. */
void worker_flush(struct worker *worker);
/* What the child has said next. -1: it broke the protocol, and err says how. */
int worker_receive(struct worker *worker, enum worker_event *ret, struct err *err);

/* CPU time that the child has taken since the last call; may be missing for a child that has
 * ended. */
uint64_t worker_cpu_ns(struct worker *worker);

/* Waits until the child has ended, kills it after grace_ms, closes everything
 * but the buffers. ret_why (may be NULL): as spawner_wait; the caller frees it. */
int worker_end(struct worker *worker, struct spawner *spawner, unsigned grace_ms, char **ret_why,
               struct err *err);
/* Frees the buffers. */
void worker_free(struct worker *worker);
