/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The child processes of a run: how many and how large, from the options and the host; and the
 * pool, which serves images of one kind one after another.
 */
#pragma once

#include "codec/container.h"
#include "mtcp/pool.h"
#include "mtcp/sizing.h"
#include "ops/events/report.h"
#include "ops/transfer/limit.h"
#include "ops/transfer/work.h"
#include "ops/verbs.h"

/* What children are to do. */
struct children_task {
    const struct codec_spec *codec;
    bool decode; /* what that codec made */
    uint64_t chunk_size;
    uint64_t chunks; /* of the largest image; 0: not known */
};

int children_plan(const struct children_options *options, const struct children_task *task,
                  struct sizing_plan *ret, struct err *err);

/* The plan for encoding the images of a guest, the largest of which has so many bytes, for the store at
 * this place. Usage: with chunks of this size they would be too many. */
int children_plan_images(const struct children_options *options, const struct points_place *place,
                         const struct codec_spec *codec, uint64_t largest, struct sizing_plan *ret,
                         struct err *err);

/* Reports once per run what --compression-buffer leads to. Refused: no codec of this kind fits it. */
int children_warn_buffer(const struct children_options *options, const struct codec_spec *codec,
                         const struct report *report, struct err *err);
/* Reports once per run that --no-sandbox was given. */
void children_warn(const struct children_options *options, const struct report *report);

/* A pool is kept from image to image as long as codec and chunk size stay the same. */
struct children {
    struct spawner *spawner;
    const struct children_options *options;
    struct sizing_plan plan;
    struct pool *pool;  /* owned; NULL until the first use */
    uint64_t dict_size; /* as requested; the plan's may differ */
    uint64_t chunks;    /* of the images that the pool was made for; UINT64_MAX: not known */
    bool decode;
    bool
        block_digests; /* they tell those of each chunk's blocks, as reading a repository needs it */
    bool digests_known; /* they make none: a repository that is written to has hashed it all */
    struct limit limit; /* on everything read for them; the rate comes from the options */
    struct work work;   /* all work that they have done */
};

/* What a store may take of --memory-limit: of what children leave, half; 0: there is no limit. */
uint64_t children_store_memory(const struct children_options *options);

/* Makes sure that children->pool fits images of this codec and chunk size. */
int children_pool(struct children *children, const struct codec_spec *codec, uint64_t chunk_size,
                  uint64_t chunks, struct err *err);
/* Reads the indexes of compressed files in a separate process; borrows children. */
struct container_indexer children_indexer(struct children *children);
/* Ends the pool; the next children_pool forks a new one. After a failed transfer a pool can only be
 * ended. */
void children_end(struct children *children);
#define CLEANUP_CHILDREN CLEANUP(children_end)
