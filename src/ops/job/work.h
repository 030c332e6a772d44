/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For ops/job only: a run of a job, and what becomes of each of its guests. A turn belongs to the
 * worker that has taken it; what the workers share is under the mutex.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ops/job/hook.h"
#include "ops/job/job.h"
#include "ops/job/step.h"
#include "ops/job/watch.h"

enum job_turn_state {
    TURN_WAITS,
    TURN_GOOD,      /* it has a new point */
    TURN_FAILED,    /* or its before hook has */
    TURN_LEFT,      /* the window has closed before it was begun */
    TURN_NOT_TRIED, /* a signal came before it was begun */
};

/* A guest in this run. */
struct job_turn {
    const struct job_guest *guest;
    int64_t newest_s; /* its newest good point before this run, since 1970; INT64_MIN: never */
    enum job_turn_state state;
    struct job_step_end end; /* owned; of its backup */
    int64_t started_s;
};

struct job_work {
    const struct job_plan *plan;
    const struct job_means *means;
    const struct report *report;
    char host[256];
    pthread_mutex_t mutex;   /* for what follows, and for the report */
    struct outcome *outcome; /* borrowed */
    struct job_turn *turns;  /* owned; in the order in which they are taken */
    size_t taken;
    bool unrecorded;             /* it was said that results cannot be kept */
    struct strings failed_steps; /* owned; "prune web", "collect" */
    struct watch watch;
};

/* The words of a verb that looks at the store of the job. */
void job_work_look(const struct job_plan *plan, const char *verb, struct strings *ret);
/* Under the mutex. */
void job_work_tell(struct job_work *work, const struct event *event);
/* Whether nothing is to be begun any more: a signal has come, or the window has closed. */
bool job_work_closed(const struct job_work *work);
/* An event about the program that hook->argv names; the hook is run. */
int job_work_hook(struct job_work *work, const struct job_hooks *hooks, struct hook_event *event,
                  struct err *err);
/* A warning if an after or failed hook fails: the backup is what it is. */
void job_work_hook_or_warn(struct job_work *work, const struct job_hooks *hooks,
                           struct hook_event *event);
/* EVENT_JOB_TROUBLE: something about the run went wrong that costs no guest its backup. */
void job_work_trouble(struct job_work *work, enum event_job_trouble_what what, const char *guest,
                      const struct err *err);
/* Counts a failure by the status of its step. */
void job_work_count_failed(struct job_work *work, int status);
