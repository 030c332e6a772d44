/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/job/record.h"

#include <time.h>

#include "base/quit.h"
#include "ops/metrics.h"
#include "ops/status.h"

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

/* All that is known without a look at the store. */
static int record_job_metrics(struct job_work *work, struct err *err)
{
    const char *name = work->plan->name;
    CLEANUP_STATUS struct status status = {.jobs = {&name, 1}};

    if (work->means->read_results(&status.results, err) < 0)
        return -1;
    return metrics_write_jobs(work->plan->metrics, &status, err);
}

/* Of the guests of the job alone, wherever its place is. */
static void record_add_words(const struct job_plan *plan, struct strings *words)
{
    job_work_look(plan, "status", words);
    if (plan->uri)
        strings_take(words, mem_printf("--hypervisor-uri=%s", plan->uri));
    for (size_t i = 0; i < plan->guest_count; i++)
        strings_take(words, mem_printf("--domain-names=%s", plan->guests[i].uuid));
    strings_take(words, mem_printf("--metrics=%s", plan->metrics));
    strings_take(words, mem_printf("--metrics-job=%s", plan->name));
}

static void record_metrics_trouble(struct job_work *work, const struct job_step_end *end)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    if (end->reason)
        job_work_trouble(work, JOB_TROUBLE_METRICS, NULL,
                         &(const struct err){.kind = end->kind, .text = end->reason});
    if (record_job_metrics(work, &err) < 0 && !end->reason)
        job_work_trouble(work, JOB_TROUBLE_METRICS, NULL, &err);
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

    if (!plan->metrics)
        return;
    if (plan->guest_count > 0 && !quit_requested()) {
        record_add_words(plan, &words);
        job_step_run(&step, &end);
        /* 1 without an error: a guest has no good point that is young enough. */
        if (!end.reason || (end.status == 1 && end.objects && !end.told))
            return;
    }
    record_metrics_trouble(work, &end);
}
