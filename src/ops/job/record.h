/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is kept of a run: the result of each step (ops/results.h), and at its end the metrics.
 */
#pragma once

#include "ops/job/work.h"

/* What a step was, beside its end. */
struct job_record {
    const char *verb;              /* "backup" */
    const struct job_guest *guest; /* NULL: it was of no single guest */
    int64_t started_s;
};

/* What cannot be kept is told once, as a warning: the backups are good all the same. */
void job_record_step(struct job_work *work, const struct job_record *record,
                     const struct job_step_end *end);
/* Has the metrics written, by a step of the verb status. If it fails, and for a plan without guests, what
 * the file says of guests stays. */
void job_record_metrics(struct job_work *work);
/* The usual keeper of results. */
int job_record_keep(const struct run_result *result, const struct job_plan *plan, struct err *err);
