/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/job/record.h"

#include <time.h>

#include "base/quit.h"

int job_record_keep(const struct run_result *result, const struct job_plan *plan, struct err *err)
{
    return results_add(result, plan->repository, plan->scope, err);
}

void job_record_step(struct job_work *work, const struct job_record *record,
                     const struct job_step_end *end)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    const struct run_result result = {
        .job = work->plan->name,
        .guest = record->guest ? record->guest->name : NULL,
        .uuid = record->guest ? record->guest->uuid : NULL,
        .verb = record->verb,
        .host = work->host,
        .started_s = record->started_s,
        .ended_s = (int64_t)time(NULL),
        .status = end->status,
        .point = end->point,
        .read = end->read,
        .stored = end->stored,
        .reason = end->reason,
    };

    if (work->means->keep_result(&result, work->plan, &err) == 0)
        return;
    pthread_mutex_lock(&work->mutex);
    bool known = work->unrecorded;
    work->unrecorded = true;
    pthread_mutex_unlock(&work->mutex);
    if (!known)
        job_work_trouble(work, JOB_TROUBLE_RESULT, NULL, &err);
}

void job_record_metrics(struct job_work *work)
{
    const struct job_plan *plan = work->plan;
    CLEANUP_STRINGS struct strings words = {0};
    CLEANUP_JOB_STEP_END struct job_step_end end = {0};
    const struct job_step step = {
        .program = work->means->program,
        .words = &words,
        .silent = true,
        .watch = &work->watch,
    };

    if (!plan->metrics || quit_requested())
        return;
    job_work_look(plan, "status", &words);
    if (plan->uri)
        strings_take(&words, mem_printf("--hypervisor-uri=%s", plan->uri));
    strings_take(&words, mem_printf("--metrics=%s", plan->metrics));
    job_step_run(&step, &end);
    /* 1 without an error: a guest has no good point that is young enough. */
    if (!end.reason || (end.status == 1 && end.objects && !end.told))
        return;
    job_work_trouble(work, JOB_TROUBLE_METRICS, NULL,
                     &(const struct err){.kind = end.kind, .text = end.reason});
}
