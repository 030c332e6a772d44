/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Internals of the pool, shared by its three parts: feed.c (source to children),
 * deliver.c (children to putter) and pool.c (the rest: waiting, losses, the run).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "codec/chunk_digest.h"
#include "mtcp/pool.h"
#include "mtcp/putter.h"
#include "mtcp/shared.h"
#include "mtcp/window.h"
#include "mtcp/worker.h"

/* The most chunks that need no child, and bytes read to find zeros, in one turn before the
 * children are looked at again. */
#define POOL_KNOWN_BATCH 4096
#define POOL_ZERO_BATCH_BYTES ((size_t)16 << 20)
/* A compressed chunk of zeros is not larger than this, whatever the codec. */
#define POOL_ZERO_INPUT_MAX ((size_t)128 << 10)

struct pool {
    struct spawner *spawner; /* borrowed */
    struct child_settings settings;
    struct shared_layout layout;
    struct worker *workers;
    size_t worker_count;
    struct pollfd *polls; /* one for each worker, and two */
    struct window window;
    struct putter *putter;
    struct chunk_digest *digest; /* for chunks that no child of our own has hashed */
    bool failed;
    /* Children that died without having a chunk since the last result. A few may be bad luck;
     * more mean that the program given as child does not work at all. */
    size_t idle_losses;

    /* What is known of a zero chunk of full length. Encoding: its result, made by
     * a child. Decoding: its digest. */
    bool zeros_asked; /* a child was given such a chunk */
    uint8_t *zeros;   /* NULL until it is known */
    size_t zeros_len;
    /* Decoding: what such a chunk was decoded from; NULL until one was met. Input with the same
     * bytes gives the same zeros and needs no child. */
    uint8_t *zeros_input;
    size_t zeros_input_len;
};

struct pool_run {
    struct pool *pool;
    const struct chunk_source *source;
    const struct chunk_sink *sink;
    const struct pool_progress *progress; /* may be NULL */
    uint64_t next_id;                     /* to be looked at */
    uint64_t next_tick_ms;
    uint64_t next_look_ms; /* for children that make no progress */
    uint64_t chunks;
    uint64_t zero_chunks;
    uint64_t same_chunks;
    uint64_t children_lost;
    uint64_t cpu_ns;
    uint64_t source_ns;
    uint64_t sink_ns;
    uint64_t children_ns;
};

static inline uint64_t pool_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static inline uint32_t pool_raw_len(const struct chunk_source *source, uint64_t id)
{
    return (uint32_t)chunk_raw_len(id, source->chunk_size, source->raw_size);
}

/* Gives chunks to all children that can take one. Sets *ret_more if it stopped although a child
 * is free and the source is not at its end. */
int feed_workers(struct pool_run *run, bool *ret_more, struct err *err);

/* The chunk in an area must be read again, for the same worker: the area is needed for another
 * one, or is gone with the child. */
void feed_unload(struct item *item);

/* Takes the result that has come from a worker. -1: it is not a result of this chunk. */
int deliver_take(struct pool_run *run, size_t worker, struct err *err);
/* Gives the putter what the sink can have now. */
int deliver_post(struct pool_run *run, struct err *err);
/* Frees what the putter is done with. -1: a put has failed. */
int deliver_collect(struct pool_run *run, struct err *err);
