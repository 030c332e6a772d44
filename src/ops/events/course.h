/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where a run over several guests is, and what lies ahead of it. The volume of a guest is the raw
 * bytes of its images. It is estimated for all guests before the first one, and known exactly once
 * a guest has been looked at. A guest that fails counts as done with all of its volume.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "ops/events/report.h"

struct course {
    const struct report *report;
    struct report_position position;
    uint64_t *volumes; /* owned; of all guests that were chosen from */
    size_t current;
};

/* The run goes through the chosen ones of `count` guests. */
void course_begin(struct course *course, const struct report *report, const bool *chosen,
                  size_t count);
/* False: nobody would see estimates, so none need be made. */
bool course_wants_estimates(const struct course *course);
void course_estimate(struct course *course, size_t guest, uint64_t volume);
/* The next guest begins. */
void course_next(struct course *course, size_t guest);
/* The volume of the current guest, of which nothing has been read yet. */
void course_volume(struct course *course, uint64_t volume);
void course_clear(struct course *course);
#define CLEANUP_COURSE CLEANUP(course_clear)
