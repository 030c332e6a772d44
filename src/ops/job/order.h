/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * In which order the guests of a job take their turns: those whose newest good point is oldest come
 * first, and before them those that never had one. So whatever ends a night early, a guest that was
 * left out is the first of the next one.
 */
#pragma once

#include "ops/job/work.h"

/* Finds out the newest good point of each turn's guest, from the results of this job on this host and
 * from the list of the store, which is a step; and sorts them. What cannot be read counts as never. */
void job_order(struct job_work *work);
/* Sorts by newest_s alone; what is equal stays as it is in the plan. */
void job_order_sort(struct job_turn *turns, size_t count);
