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
#include "base/stall.h"
#include "mtcp/message.h"
#include "mtcp/shared.h"
#include "mtcp/spawner.h"

/* From each state, what moves it on:
 *   RESTING   its I       -> IDLE
 *   IDLE      worker_give -> BUSY
 *   BUSY      its D       -> FETCHING, for F is sent at once; its E: the chunk has failed -> RESTING
 *   FETCHING  its result  -> RESTING
 */
enum worker_state {
    WORKER_RESTING,  /* its next message is I */
    WORKER_IDLE,     /* has said I */
    WORKER_BUSY,     /* has a chunk */
    WORKER_FETCHING, /* was told F; its next message is the result */
};

enum worker_event {
    WORKER_NOTHING, /* nothing more to read now */
    WORKER_SAID_IDLE,
    WORKER_SAID_DONE,
    WORKER_SAID_BLOCKS, /* the digests of the blocks have come; the result is next */
    WORKER_SAID_RESULT, /* it is in the area of the chunk */
    WORKER_SAID_ERROR,  /* the chunk failed; `text` says why */
    WORKER_HUNG_UP,
};

/* Of our own child, in the segment that it shares with us; of a foreign child, in our memory. */
struct worker_area {
    struct shared_area at;
    bool taken;        /* a chunk is in it, from when it is read until its result is put */
    bool partial;      /* decoding: not all of the chunk in it is wanted */
    size_t len;        /* of the result */
    size_t blocks_len; /* of the digests of blocks that a foreign child has sent with it */
};

struct worker {
    struct child child; /* child.sock is -1: there is none */
    bool foreign;
    bool pid_known; /* a foreign child's pid is what its first I says */
    uint32_t pid;   /* in messages */
    enum worker_state state;
    uint64_t id;  /* BUSY, FETCHING: of which chunk */
    uint8_t *own; /* memory for the areas of a foreign child */
    struct shared_layout layout;
    struct worker_area areas[SHARED_AREAS];
    unsigned next; /* area, of the next chunk; the last one's is the other */
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
    struct stall stall;
};

/* A zeroed worker, or one whose child has ended, gets a new child. Blocks until
 * the spawner has forked it. */
int worker_start(struct worker *worker, struct spawner *spawner,
                 const struct child_settings *settings, struct err *err);
/* The area of the next chunk, which may be written while the child still has another one. NULL:
 * it is taken, or there is no child. */
struct worker_area *worker_free_area(struct worker *worker);
/* The area of the last chunk that it was given. */
struct worker_area *worker_last_area(struct worker *worker);
/* True if it can be given the chunk in its next area now. */
bool worker_can_take(const struct worker *worker);
/* Sends the first len bytes of the input of the next area as chunk id. */
void worker_give(struct worker *worker, uint64_t id, size_t len);
/* Sends Q, unless a message is half sent, and ends the stream to the child. */
void worker_quit(struct worker *worker);
/* The digests of the blocks of the raw chunk of raw_len bytes whose result has just come: *ret is
 * set to NULL if a foreign child has given none. Only if they are wanted. -1: they are not those of
 * such a chunk. The child may still change them. */
int worker_noted_blocks(struct worker *worker, uint32_t raw_len, const uint8_t **ret,
                        struct err *err);

/* For poll(). */
short worker_poll_events(const struct worker *worker);
/* Sends what is left to be sent. A child that has gone is noticed by worker_receive. */
void worker_flush(struct worker *worker);
/* What the child has said next. -1: it broke the protocol, and err says how. */
int worker_receive(struct worker *worker, enum worker_event *ret, struct err *err);

/* To be called every second or so: true if the child should do something and makes no progress
 * (base/stall.h). A foreign child is never said to: it may let others work for it. */
bool worker_is_stalled(struct worker *worker);

/* CPU time that the child has taken since the last call; may be missing for a child that has
 * ended. */
uint64_t worker_cpu_ns(struct worker *worker);

/* Waits until the child has ended, kills it after grace_ms, closes everything
 * but the buffers. ret may be NULL. */
int worker_end(struct worker *worker, struct spawner *spawner, unsigned grace_ms,
               struct spawner_end *ret, struct err *err);
/* Frees the buffers. */
void worker_free(struct worker *worker);
