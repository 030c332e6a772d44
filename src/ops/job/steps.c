/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/job/steps.h"

#include <time.h>

#include "base/units.h"
#include "ops/job/record.h"

static void steps_on_progress(void *opaque, const struct progress *progress)
{
    struct job_work *work = opaque;

    watch_progress(&work->watch, 0, progress->done, progress->total);
}

static void steps_tell(struct job_work *work, enum event_kind kind, const struct event *what)
{
    struct event event = *what;

    event.kind = kind;
    job_work_tell(work, &event);
}

void job_steps_run(struct job_work *work, const char *verb, const struct strings *words,
                   const struct job_guest *guest)
{
    CLEANUP_JOB_STEP_END struct job_step_end end = {0};
    const char *name = guest ? guest->name : NULL;
    const struct job_record record = {verb, guest, (int64_t)time(NULL)};
    struct event event = {.guest = name, .job_step = {.job = work->plan->name, .verb = verb}};
    uint64_t started_ms = units_now_ms();
    const struct job_step step = {
        .program = work->means->program,
        .words = words,
        .progress = steps_on_progress,
        .opaque = work,
        .watch = &work->watch,
    };

    if (words->count == 0)
        return;
    if (job_work_closed(work)) {
        steps_tell(work, EVENT_JOB_STEP_LEFT, &event);
        return;
    }
    CLEANUP_FREE char *shown = mem_printf("%s%s%s", verb, name ? " " : "", name ? name : "");
    watch_set(&work->watch, 0, shown);
    job_step_run(&step, &end);
    watch_set(&work->watch, 0, NULL);
    job_record_step(work, &record, &end);
    event.job_step.elapsed_ms = units_now_ms() - started_ms;
    event.job_step.problem = (struct event_problem){end.kind, end.reason};
    if (!end.reason) {
        steps_tell(work, EVENT_JOB_STEP_DONE, &event);
        return;
    }
    job_work_count_failed(work, end.status);
    strings_add(&work->failed_steps, shown);
    steps_tell(work, end.told ? EVENT_JOB_STEP_TOLD_FAILED : EVENT_JOB_STEP_FAILED, &event);
}
