/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The workers of a job: each takes the next guest until none is left, or nothing is to be begun any
 * more. A worker is a thread, which does little but wait for the child that it has started.
 */
#pragma once

#include "ops/job/work.h"

/* How many there are at most. */
size_t job_crew_size(const struct job_plan *plan);
/* Returns when all have ended. Of guests that were not begun it is told why. */
void job_crew_run(struct job_work *work);
