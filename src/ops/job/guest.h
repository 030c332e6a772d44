/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One guest's part of a job.
 */
#pragma once

#include "ops/job/work.h"

/* Its hooks and its backup. The turn, which nobody else uses, has what became of it; that is told,
 * counted and kept. worker: the place that shows its progress. */
void job_guest_back_up(struct job_work *work, struct job_turn *turn, size_t worker);
/* Its points, after all backups. Without a new good one none of them is touched. */
void job_guest_prune(struct job_work *work, const struct job_turn *turn);
/* "db: the disk is full": the reason without the name that all errors about a guest begin with. */
const char *job_guest_reason(const struct job_turn *turn);
