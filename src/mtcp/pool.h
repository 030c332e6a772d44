/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The control process's side of MTCP: takes chunks from a source, keeps every
 * child busy, and gives results to a sink. It never compresses.
 *
 * A child that answers E costs only the time spent on its chunk, which is given to
 * another child once more; one that dies is replaced by a new one, and what it had is
 * done again. The second failure of a chunk ends the run with that child's reason.
 * Each child has two areas (mtcp/shared.h): while it works in one, the result in the other
 * waits to be put, and then the next chunk is read into that. So one slow chunk does not
 * stop the other children before both of their areas wait behind it.
 *
 * The result of an all-zero chunk is made by a child once for each raw length,
 * and reused for all others.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "codec/chunks.h"
#include "mtcp/spawner.h"

struct pool;

/* A pool of `children` children with the same settings; they are forked here. */
struct pool *pool_new(struct spawner *spawner, const struct child_settings *settings,
                      unsigned children, struct err *err);
/* Sends Q to all, waits until they have ended. Accepts NULL. */
void pool_free(struct pool *pool);
DEFINE_CLEANUP(struct pool *, pool_freep, pool_free)

struct pool_stats {
    uint64_t chunks;      /* put to the sink */
    uint64_t zero_chunks; /* of them, known to be zero without a child */
    uint64_t same_chunks; /* of them, the same as before */
    uint64_t children_lost;
    uint64_t wait_source_ms;   /* time in source->read and ->look */
    uint64_t wait_sink_ms;     /* all idle until sink->put returns */
    uint64_t wait_children_ms; /* idle until a child is done */
    uint64_t elapsed_ms;
    uint64_t children_cpu_ms; /* CPU time that the children took */
};

/* Called about every 200 ms and at the end, with raw bytes done so far. */
struct pool_progress {
    void *opaque;
    void (*tick)(void *opaque, uint64_t raw_bytes_done);
};

struct pool_plugs {
    const struct chunk_source *source;
    const struct chunk_sink *sink;
    const struct pool_progress *progress; /* may be NULL */
};

/* Runs one image through the pool. Stops with a "cancelled" error when a signal
 * asks for it (base/quit.h). After a failure the pool is good only for pool_free.
 * ret_stats may be NULL. */
int pool_run(struct pool *pool, const struct pool_plugs *plugs, struct pool_stats *ret_stats,
             struct err *err);

/* How many children it has. */
unsigned pool_children(const struct pool *pool);
