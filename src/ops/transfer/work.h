/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where the time of a run went: what the control process waited for, and how busy the children kept
 * the CPUs.
 */
#pragma once

#include <stdint.h>

#include "mtcp/pool.h"
#include "ops/events/report.h"

/* Added up over all images of a run; starts zeroed. */
struct work {
    uint64_t reading_ms;  /* waiting for the source */
    uint64_t children_ms; /* waiting for the children */
    uint64_t writing_ms;  /* waiting for the target */
    uint64_t cpu_ms;      /* CPU time of the children */
    uint64_t capacity_ms; /* wall time multiplied by the CPUs available to the children */
};

/* Adds one image, which that many children worked on. */
void work_add(struct work *work, const struct pool_stats *stats, unsigned children, unsigned cpus);
/* EVENT_BOTTLENECK, if there was any work. */
void work_tell(const struct work *work, const struct report *report);
