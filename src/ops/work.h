/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where the time of a run went: what the control process waited for, and how well
 * the children kept the CPUs busy.
 */
#pragma once

#include <stdint.h>

#include "mtcp/pool.h"
#include "ops/report.h"

/* Added up over all images of a run; zeroed at first. */
struct work {
    uint64_t reading_ms;  /* the source was waited for */
    uint64_t children_ms; /* the children were */
    uint64_t writing_ms;  /* the target was */
    uint64_t cpu_ms;      /* CPU time of the children */
    uint64_t capacity_ms; /* wall time, times the CPUs that the children could have had */
};

/* Adds one image, which so many children have worked on. */
void work_add(struct work *work, const struct pool_stats *stats, unsigned children, unsigned cpus);
/* Event "bottleneck", and with --verbose a line. Nothing if there was no work. */
void work_tell(const struct work *work, const struct report *report);
