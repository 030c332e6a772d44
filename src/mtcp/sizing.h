/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How many children, and how much memory each.
 *
 *   allowed = (total_memory - 256 MiB) / buffer_size
 *
 * total_memory is the machine's, the cgroup's limit, or what the user gives,
 * whichever is least; buffer_size is all that one child takes: the encoder's own
 * figure for the level, the child's areas (mtcp/shared.h), and a fixed figure for the
 * process. Or it is what the user gives (--compression-buffer), and dictionary and
 * chunk size are made to fit.
 * Nor may all children together take more than is available now: the OOM killer
 * is never to be driven. Of those allowed one per CPU runs and one more, so that
 * a CPU has work while a child waits to be given its next chunk; three more where
 * results are raw bytes: decoding, and codec none.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "codec/codec.h"

#define SIZING_RESERVE (UINT64_C(256) << 20)
/* Of the available memory this much is left alone. */
#define SIZING_MARGIN (UINT64_C(64) << 20)
/* A process by itself: its own pages of stack, heap and libraries. */
#define SIZING_PROCESS (UINT64_C(4) << 20)
#define SIZING_MAX_CHILDREN 1024u

/* The formula, and nothing but it; 0 when nothing fits. */
uint64_t sizing_child_count(uint64_t total_memory, uint64_t buffer_size);

struct sizing_host {
    uint64_t total_memory;     /* MemTotal */
    uint64_t available_memory; /* MemAvailable, or less if a cgroup has less left */
    uint64_t cgroup_limit;     /* UINT64_MAX: none */
    unsigned cpus;             /* that this process may run on (sched_getaffinity, cgroup quota) */
};

int sizing_read_host(struct sizing_host *ret, struct err *err);

struct sizing_request {
    struct codec_spec codec;
    bool decode;
    uint64_t chunk_size;         /* 0: the codec's default */
    uint64_t memory_limit;       /* --memory-limit; 0: none */
    uint64_t compression_buffer; /* --compression-buffer; 0: the level's own */
    unsigned children;           /* --children; 0: as many as bring speed */
    uint64_t image_chunks;       /* more children than chunks are not started; 0: not known */
};

struct sizing_plan {
    struct codec_spec codec; /* with the dictionary that is used */
    uint64_t chunk_size;
    uint64_t encoder_memory; /* per child; decoding: the decoder's */
    uint64_t child_memory;   /* buffer_size above: per child, all that it may take */
    uint64_t total_memory;   /* the least of machine, cgroup, --memory-limit */
    uint64_t children_allowed;
    unsigned children;
    unsigned cpus; /* that they may run on */
};

/* The part of it that depends on no host: codec, chunk_size, encoder_memory and
 * child_memory. With a compression buffer the largest dictionary that fits is taken
 * (one that is larger than a chunk finds nothing more), and with it the chunk size that
 * suits it, or the largest below that. Refused (usage) where not even the smallest fits,
 * or not with the chunk size asked for; and a chunk size that is not possible. */
int sizing_fit(const struct sizing_request *request, struct sizing_plan *ret, struct err *err);

/* Refused (usage) with the figures: what sizing_fit refuses; more --children than
 * memory allows; no child fits (names a lower level that does). An explicit --children is never
 * lowered silently (fewer chunks than children excepted). */
int sizing_plan(const struct sizing_host *host, const struct sizing_request *request,
                struct sizing_plan *ret, struct err *err);
