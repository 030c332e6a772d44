/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/job/job.h"

#include <time.h>
#include <unistd.h>

#include "base/quit.h"
#include "base/units.h"
#include "ops/job/crew.h"
#include "ops/job/guest.h"
#include "ops/job/order.h"
#include "ops/job/record.h"
#include "ops/job/start.h"
#include "ops/job/steps.h"
#include "ops/undo/state_dir.h"

#define OWN_PROGRAM "/proc/self/exe"

static void job_work_begin(struct job_work *work)
{
    size_t count = work->plan->guest_count;

    if (gethostname(work->host, sizeof(work->host) - 1) < 0)
        work->host[0] = '\0';
    pthread_mutex_init(&work->mutex, NULL);
    work->turns = mem_array(count ? count : 1, sizeof(*work->turns));
    for (size_t i = 0; i < count; i++)
        work->turns[i] = (struct job_turn){.guest = &work->plan->guests[i], .newest_s = INT64_MIN};
    watch_begin(&work->watch, count, job_crew_size(work->plan));
}

static void job_work_end(struct job_work *work)
{
    watch_end(&work->watch);
    for (size_t i = 0; i < work->plan->guest_count; i++)
        job_step_end_clear(&work->turns[i].end);
    free(work->turns);
    strings_clear(&work->failed_steps);
    pthread_mutex_destroy(&work->mutex);
}

/* ---- what became of it ------------------------------------------------------------------------ */

static size_t job_count(const struct job_work *work, enum job_turn_state state)
{
    size_t count = 0;

    for (size_t i = 0; i < work->plan->guest_count; i++)
        count += work->turns[i].state == state;
    return count;
}

static uint64_t job_stored(const struct job_work *work)
{
    uint64_t stored = 0;

    for (size_t i = 0; i < work->plan->guest_count; i++)
        stored += work->turns[i].end.stored;
    return stored;
}

static void job_tell_done(struct job_work *work, uint64_t elapsed_ms)
{
    const struct job_plan *plan = work->plan;
    CLEANUP_FREE struct event_job_failure *failures =
        mem_array(plan->guest_count ? plan->guest_count : 1, sizeof(*failures));
    struct event_job_done done = {
        .job = plan->name,
        .count = plan->guest_count,
        .good = job_count(work, TURN_GOOD),
        .left = job_count(work, TURN_LEFT),
        .not_tried = job_count(work, TURN_NOT_TRIED),
        .failures = failures,
        .failed_steps = (const char *const *)work->failed_steps.items,
        .failed_step_count = work->failed_steps.count,
        .stored = job_stored(work),
        .elapsed_ms = elapsed_ms,
    };

    for (size_t i = 0; i < plan->guest_count; i++)
        if (work->turns[i].state == TURN_FAILED)
            failures[done.failure_count++] = (struct event_job_failure){
                work->turns[i].guest->name, job_guest_reason(&work->turns[i])};
    job_work_tell(work, &(struct event){.kind = EVENT_JOB_DONE, .job_done = done});
}

/* The exit status that the run would have for this job alone. */
static int status_of_outcome(const struct outcome *outcome)
{
    if (outcome->stranded)
        return 5;
    if (outcome->damaged)
        return 4;
    if (outcome->signal)
        return 128 + outcome->signal;
    if (outcome->failed == 0)
        return 0;
    if (outcome->good)
        return 3;
    return outcome->busy == outcome->failed ? 6 : 1;
}

/* "1 of 20 guests failed: db: the disk is full"; NULL: all is well. The caller frees. */
static char *job_reason(const struct job_work *work)
{
    size_t failed = job_count(work, TURN_FAILED);
    struct buf text = {0};

    if (failed)
        buf_printf(&text, "%zu of %zu guest%s failed", failed, work->plan->guest_count,
                   work->plan->guest_count == 1 ? "" : "s");
    for (size_t i = 0; i < work->plan->guest_count && failed; i++)
        if (work->turns[i].state == TURN_FAILED) {
            buf_printf(&text, ": %s: %s", work->turns[i].guest->name,
                       job_guest_reason(&work->turns[i]));
            break;
        }
    if (work->plan->unmatched)
        buf_printf(&text, "%s%u of the names in the job mean%s no guest or disk",
                   text.len ? "; " : "", work->plan->unmatched,
                   work->plan->unmatched == 1 ? "s" : "");
    for (size_t i = 0; i < work->failed_steps.count; i++)
        buf_printf(&text, "%s%s failed", text.len ? "; " : "", work->failed_steps.items[i]);
    if (work->outcome->signal)
        buf_printf(&text, "%sstopped by a signal", text.len ? "; " : "");
    return text.len ? buf_take_str(&text) : NULL;
}

/* ---- hooks of the job ------------------------------------------------------------------------ */

static struct json *job_guests_object(const struct job_work *work)
{
    static const char *const words[] = {[TURN_WAITS] = "not-tried",
                                        [TURN_GOOD] = "good",
                                        [TURN_FAILED] = "failed",
                                        [TURN_LEFT] = "left",
                                        [TURN_NOT_TRIED] = "not-tried"};
    struct json *array = json_new_array();

    for (size_t i = 0; i < work->plan->guest_count; i++) {
        const struct job_turn *turn = &work->turns[i];
        struct json *entry = json_new_object();
        json_set_str(entry, "guest", turn->guest->name);
        json_set_str(entry, "uuid", turn->guest->uuid);
        json_set_str(entry, "result", words[turn->state]);
        json_set_str(entry, "point", turn->end.point);
        json_set_str(entry, "reason", turn->end.reason);
        json_add(array, entry);
    }
    return array;
}

static void job_hook(struct job_work *work, const char *name, int status, const char *reason)
{
    struct hook_event event = {
        .event = name,
        .status = status,
        .reason = reason,
        .stored = job_stored(work),
        .more = job_guests_object(work),
    };

    job_work_hook_or_warn(work, &work->plan->hooks, &event);
}

/* No guest is begun; what is kept of each is why. */
static int job_refuse(struct job_work *work, struct err *err)
{
    err_append(err, "no guest is backed up");
    for (size_t i = 0; i < work->plan->guest_count; i++) {
        struct job_turn *turn = &work->turns[i];
        const struct job_record record = {"backup", turn->guest, (int64_t)time(NULL)};
        turn->state = TURN_FAILED;
        turn->end =
            (struct job_step_end){.status = 1, .kind = err->kind, .reason = mem_strdup(err->text)};
        job_record_step(work, &record, &turn->end);
    }
    return err_prefix(err, "job '%s'", work->plan->name);
}

static int job_before(struct job_work *work, struct err *err)
{
    struct hook_event event = {.event = "before"};
    CLEANUP_ERR struct err local = ERR_INIT;

    if (job_work_closed(work) || job_work_hook(work, &work->plan->hooks, &event, &local) == 0 ||
        local.kind == ERR_CANCELLED)
        return 0;
    err_move(err, &local);
    return job_refuse(work, err);
}

/* ---- the run --------------------------------------------------------------------------------- */

static void job_work_through(struct job_work *work)
{
    const struct job_plan *plan = work->plan;

    job_crew_run(work);
    for (size_t i = 0; i < plan->guest_count; i++)
        job_guest_prune(work, &work->turns[i]);
    job_steps_run(work, "verify", &plan->verify, NULL);
    job_steps_run(work, "collect", &plan->collect, NULL);
    work->outcome->signal = quit_requested();
}

static void job_keep_whole(struct job_work *work, int64_t started_s, int status, char *reason)
{
    const struct job_record record = {"run", NULL, started_s};
    const struct job_step_end end = {
        .status = status, .reason = reason, .stored = job_stored(work)};

    job_record_step(work, &record, &end);
}

static int job_run_locked(struct job_work *work, struct err *err)
{
    uint64_t started_ms = units_now_ms();
    int64_t started_s = (int64_t)time(NULL);

    int result = job_before(work, err);
    if (result == 0) {
        job_order(work);
        job_work_through(work);
    }
    int status = result < 0 ? 1 : status_of_outcome(work->outcome);
    CLEANUP_FREE char *reason = result < 0 ? mem_strdup(err->text) : job_reason(work);
    job_keep_whole(work, started_s, status, reason);
    /* The after hook may take away what the before hook has brought. */
    job_record_metrics(work);
    job_hook(work, "after", status, reason);
    if (reason)
        job_hook(work, "failed", status, reason);
    if (result == 0)
        job_tell_done(work, units_now_ms() - started_ms);
    return result;
}

static void job_add_outcome(struct outcome *sum, const struct outcome *outcome)
{
    sum->good += outcome->good;
    sum->failed += outcome->failed;
    sum->busy += outcome->busy;
    sum->damaged = sum->damaged || outcome->damaged;
    sum->stranded = sum->stranded || outcome->stranded;
    sum->signal = outcome->signal ? outcome->signal : sum->signal;
}

static struct job_means job_usual_means(const struct job_means *means)
{
    return (struct job_means){
        .program = means->program ? means->program : OWN_PROGRAM,
        .hook_grace_ms = means->hook_grace_ms,
        .open_state = means->open_state ? means->open_state : state_dir_open,
        .read_results = means->read_results ? means->read_results : results_read,
        .keep_result = means->keep_result ? means->keep_result : job_record_keep,
    };
}

int job_run_with(const struct job_plan *plan, const struct job_means *means,
                 const struct report *report, struct outcome *outcome, struct err *err)
{
    CLEANUP(lock_file_releasep) struct lock_file *lock = NULL;
    struct outcome own = {.failed = plan->unmatched};
    const struct job_means all = job_usual_means(means);
    CLEANUP(job_work_end)
    struct job_work work = {.plan = plan, .means = &all, .report = report, .outcome = &own};

    job_work_begin(&work);
    if (job_start_lock(&work, &lock, err) < 0)
        return -1;
    job_start_stagger(&work);
    int result = job_run_locked(&work, err);
    job_add_outcome(outcome, &own);
    return result;
}

int job_run(const struct job_plan *plan, const struct report *report, struct outcome *outcome,
            struct err *err)
{
    return job_run_with(plan, &(struct job_means){0}, report, outcome, err);
}

void job_run_refused_with(const struct job_plan *plan, const struct job_means *means,
                          const struct report *report, const struct err *err)
{
    struct outcome own = {0};
    const struct job_means all = job_usual_means(means);
    CLEANUP(job_work_end)
    struct job_work work = {.plan = plan, .means = &all, .report = report, .outcome = &own};
    CLEANUP_FREE char *reason = mem_strdup(err->text);

    job_work_begin(&work);
    job_keep_whole(&work, (int64_t)time(NULL), 1, reason);
    job_record_metrics(&work);
    job_hook(&work, "failed", 1, reason);
}

void job_run_refused(const struct job_plan *plan, const struct report *report,
                     const struct err *err)
{
    job_run_refused_with(plan, &(struct job_means){0}, report, err);
}
