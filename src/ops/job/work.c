/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/job/work.h"

#include <string.h>
#include <time.h>

#include "base/quit.h"
#include "ops/points/points.h"

/* Exit statuses of this program's verbs, see virt-backup(1). */
enum { STEP_DAMAGED = 4, STEP_STRANDED = 5, STEP_BUSY = 6 };

void job_work_look(const struct job_plan *plan, const char *verb, struct strings *ret)
{
    strings_add(ret, verb);
    if (plan->repository) {
        strings_take(ret, mem_printf("--repository=%s", plan->repository));
        strings_take(ret, mem_printf("--scope=%s", plan->scope ? plan->scope : points_usual_scope));
    } else {
        strings_take(ret, mem_printf("--source-path=%s", plan->destination));
    }
    if (plan->no_sandbox)
        strings_add(ret, "--no-sandbox");
}

void job_work_tell(struct job_work *work, const struct event *event)
{
    pthread_mutex_lock(&work->mutex);
    report_event(work->report, event);
    pthread_mutex_unlock(&work->mutex);
}

bool job_work_closed(const struct job_work *work)
{
    return quit_requested() != 0 || (int64_t)time(NULL) >= work->plan->not_after_s;
}

int job_work_hook(struct job_work *work, const struct job_hooks *hooks, struct hook_event *event,
                  struct err *err)
{
    bool begins = strcmp(event->event, "before") == 0;
    const struct hook hook = {
        .argv = begins                               ? &hooks->before
                : strcmp(event->event, "after") == 0 ? &hooks->after
                                                     : &hooks->failed,
        .limit_s = hooks->limit_s,
        .grace_ms = work->means->hook_grace_ms,
        .undoing = !begins,
        .watch = &work->watch,
    };

    event->plan = work->plan;
    return hook_run(&hook, event, err);
}

void job_work_hook_or_warn(struct job_work *work, const struct job_hooks *hooks,
                           struct hook_event *event)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    if (job_work_hook(work, hooks, event, &err) == 0)
        return;
    job_work_trouble(work, JOB_TROUBLE_HOOK, event->guest ? event->guest->name : NULL, &err);
}

void job_work_trouble(struct job_work *work, enum event_job_trouble_what what, const char *guest,
                      const struct err *err)
{
    job_work_tell(work, &(struct event){.kind = EVENT_JOB_TROUBLE,
                                        .guest = guest,
                                        .job_trouble = {.job = work->plan->name,
                                                        .what = what,
                                                        .problem = {err->kind, err->text}}});
}

void job_work_count_failed(struct job_work *work, int status)
{
    pthread_mutex_lock(&work->mutex);
    struct outcome *outcome = work->outcome;
    outcome->failed++;
    outcome->busy += status == STEP_BUSY;
    outcome->stranded = outcome->stranded || status == STEP_STRANDED;
    outcome->damaged = outcome->damaged || status == STEP_DAMAGED;
    pthread_mutex_unlock(&work->mutex);
}
