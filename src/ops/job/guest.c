/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The order: before hook, backup, after hook, failed hook. The after hook undoes what the before hook
 * has done, so it is run whenever that was, even if it has failed and whatever signal has come.
 */
#include "ops/job/guest.h"

#include <string.h>
#include <time.h>

#include "base/quit.h"
#include "base/units.h"
#include "ops/job/record.h"
#include "ops/job/steps.h"

struct guest_work {
    struct job_work *work;
    size_t worker;
};

static void guest_on_progress(void *opaque, const struct progress *progress)
{
    const struct guest_work *guest = opaque;
    struct job_work *work = guest->work;

    watch_progress(&work->watch, guest->worker, progress->done, progress->total);
    /* A line of progress has room for one guest. */
    if (guest->worker != 0 || !work->report->shows_progress)
        return;
    pthread_mutex_lock(&work->mutex);
    work->report->progress(work->report->opaque, progress);
    pthread_mutex_unlock(&work->mutex);
}

const char *job_guest_reason(const struct job_turn *turn)
{
    return results_reason(turn->end.reason, turn->guest->name);
}

/* ---- the backup -------------------------------------------------------------------------- */

static void guest_run_backup(struct guest_work *guest, struct job_turn *turn)
{
    struct job_work *work = guest->work;
    struct job_step_end *end = &turn->end;
    const struct job_step step = {
        .program = work->means->program,
        .words = &turn->guest->backup,
        .progress = guest_on_progress,
        .opaque = guest,
        .watch = &work->watch,
    };

    job_step_run(&step, end);
    /* A guest that is gone is an error of its own, so this is a step that does not do its work. */
    if (!end->reason && end->done == 0) {
        end->status = 1;
        end->kind = ERR_INTERNAL;
        end->reason = mem_strdup("the backup reported success, but made no point");
    }
}

/* False: it has failed, and the backup is not begun. */
static bool guest_before(struct job_work *work, struct job_turn *turn)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    const struct job_hooks *hooks = &turn->guest->hooks;
    struct hook_event event = {.event = "before", .guest = turn->guest};

    if (job_work_hook(work, hooks, &event, &err) < 0 && err.kind != ERR_CANCELLED)
        turn->end = (struct job_step_end){
            .status = 1,
            .kind = err.kind,
            .reason = mem_printf("%s; the guest is not backed up", err.text),
        };
    return turn->end.reason == NULL && quit_requested() == 0;
}

static void guest_run_after(struct job_work *work, const struct job_turn *turn, const char *name)
{
    const struct job_step_end *end = &turn->end;
    struct hook_event event = {
        .event = name,
        .guest = turn->guest,
        .point = end->point,
        .read = end->read,
        .stored = end->stored,
        .status = end->status,
        .reason = end->reason,
    };

    job_work_hook_or_warn(work, &turn->guest->hooks, &event);
}

/* A signal came before the backup began: that is no failure, but what the before hook did is undone. */
static void guest_run_after_signal(struct job_work *work, const struct job_turn *turn)
{
    struct hook_event event = {
        .event = "after",
        .guest = turn->guest,
        .status = 128 + quit_requested(),
        .reason = "not backed up, because a signal came first",
    };

    job_work_hook_or_warn(work, &turn->guest->hooks, &event);
}

/* ---- what became of it --------------------------------------------------------------------- */

static void guest_tell_good(struct job_work *work, const struct job_turn *turn, uint64_t elapsed_ms)
{
    const struct job_step_end *end = &turn->end;

    pthread_mutex_lock(&work->mutex);
    work->outcome->good++;
    pthread_mutex_unlock(&work->mutex);
    job_work_tell(work, &(struct event){.kind = EVENT_JOB_BACKED_UP,
                                        .guest = turn->guest->name,
                                        .point_id = end->point,
                                        .job_backed_up = {.read = end->read,
                                                          .stored = end->stored,
                                                          .elapsed_ms = elapsed_ms}});
}

static void guest_tell_failed(struct job_work *work, const struct job_turn *turn)
{
    const struct job_step_end *end = &turn->end;
    CLEANUP_FREE char *text =
        mem_printf("guest '%s': %s", turn->guest->name, job_guest_reason(turn));

    job_work_count_failed(work, end->status);
    job_work_tell(work,
                  &(struct event){.kind = end->told ? EVENT_JOB_TOLD_FAILED : EVENT_GUEST_FAILED,
                                  .guest = turn->guest->name,
                                  .problem = {end->kind, text}});
}

void job_guest_back_up(struct job_work *work, struct job_turn *turn, size_t worker)
{
    const struct job_record record = {"backup", turn->guest, (int64_t)time(NULL)};
    struct guest_work guest = {work, worker};
    uint64_t started_ms = units_now_ms();

    watch_set(&work->watch, worker, turn->guest->name);
    bool begun = guest_before(work, turn);
    if (begun)
        guest_run_backup(&guest, turn);
    if (begun || turn->end.reason) {
        turn->state = turn->end.reason ? TURN_FAILED : TURN_GOOD;
        guest_run_after(work, turn, "after");
        if (turn->state == TURN_FAILED)
            guest_run_after(work, turn, "failed");
        job_record_step(work, &record, &turn->end);
    } else {
        guest_run_after_signal(work, turn);
    }
    if (turn->state == TURN_GOOD)
        guest_tell_good(work, turn, units_now_ms() - started_ms);
    else if (turn->state == TURN_FAILED)
        guest_tell_failed(work, turn);
    watch_set(&work->watch, worker, NULL);
    watch_done(&work->watch);
}

/* ---- its points -------------------------------------------------------------------------------- */

void job_guest_prune(struct job_work *work, const struct job_turn *turn)
{
    const struct job_guest *guest = turn->guest;

    if (guest->prune.count == 0)
        return;
    if (turn->state == TURN_GOOD) {
        job_steps_run(work, "prune", &guest->prune, guest);
        return;
    }
    job_work_tell(work, &(struct event){.kind = EVENT_JOB_NOT_PRUNED, .guest = guest->name});
}
