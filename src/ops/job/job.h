/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Carries out a job: its guests are backed up, those whose point has been waiting longest first, one
 * after the other or some at a time; then the points of those that have a new one are pruned; then
 * come verify and collect. Each step is a process of its own of this program, with --json on a pipe,
 * so that whatever becomes of one is the matter of one guest. What the step writes to standard
 * error is passed on. A signal that asks us to stop (base/quit.h) is passed on to the steps, and they
 * are waited for: they put their guests back.
 */
#pragma once

#include "base/err.h"
#include "ops/events/report.h"
#include "ops/job/plan.h"
#include "ops/results.h"

/* What a run needs of the world; 0 and NULL: the usual. */
struct job_means {
    const char *program;    /* path of the program that carries out steps; NULL: this one */
    unsigned hook_grace_ms; /* between SIGTERM and SIGKILL to a hook that exceeds its time */
    int (*open_state)(int *ret_fd, struct err *err);
    int (*read_results)(struct results *ret, struct err *err);
    int (*keep_result)(const struct run_result *result, const struct job_plan *plan,
                       struct err *err);
};

/* Returns when everything has ended. Adds to *outcome: a guest is good if it has a new point, and a step
 * that fails counts as failed, as does each name that means nothing. -1: nothing was done, because a hook of the job has failed, a signal came
 * before the first guest (cancelled), or the job is being run already (busy). */
int job_run(const struct job_plan *plan, const struct report *report, struct outcome *outcome,
            struct err *err);
/* The job could not even be planned, for the reason in *err: its failed hook is run, and its result is
 * kept. The plan says all but which guests. */
void job_run_refused(const struct job_plan *plan, const struct report *report,
                     const struct err *err);
int job_run_with(const struct job_plan *plan, const struct job_means *means,
                 const struct report *report, struct outcome *outcome, struct err *err);
void job_run_refused_with(const struct job_plan *plan, const struct job_means *means,
                          const struct report *report, const struct err *err);
