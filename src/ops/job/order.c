/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/job/order.h"

#include <string.h>

#include "base/text.h"
#include "base/when.h"

static void order_note(struct job_turn *turn, int64_t time_s)
{
    if (time_s > turn->newest_s)
        turn->newest_s = time_s;
}

/* ---- what this host remembers ------------------------------------------------------------- */

static void order_take_result(struct job_work *work, const struct run_result *result)
{
    if (!text_same(result->job, work->plan->name) || !text_same(result->verb, "backup") ||
        result->status != 0)
        return;
    for (size_t i = 0; i < work->plan->guest_count; i++)
        if (text_same(work->turns[i].guest->uuid, result->uuid))
            order_note(&work->turns[i], result->started_s);
}

static void order_by_results(struct job_work *work)
{
    CLEANUP_RESULTS struct results results = {0};

    /* What is lost of them costs a guest its place, no more. */
    if (work->means->read_results(&results, NULL) < 0)
        return;
    for (size_t i = 0; i < results.count; i++)
        order_take_result(work, &results.all[i]);
}

/* ---- what the store has -------------------------------------------------------------------- */

static void order_take_object(void *opaque, const struct json *object)
{
    struct job_work *work = opaque;
    const char *event = json_get_str(object, "event");
    const char *guest = json_get_str(object, "guest");
    const char *time = json_get_str(object, "time");
    int64_t time_ms = 0;

    if (!guest || !time || !when_parse(time, &time_ms) || !json_get_bool(object, "complete") ||
        json_get_bool(object, "in-trash") ||
        (!text_same(event, "point") && !text_same(event, "backup")))
        return;
    for (size_t i = 0; i < work->plan->guest_count; i++)
        if (strcmp(work->turns[i].guest->name, guest) == 0)
            order_note(&work->turns[i], time_ms / 1000);
}

/* Errors are not shown: an archive that is not there yet has no points, and whatever else is wrong, the
 * backups find out, too. */
static void order_by_store(struct job_work *work)
{
    CLEANUP_STRINGS struct strings words = {0};
    CLEANUP_JOB_STEP_END struct job_step_end end = {0};
    const struct job_step step = {
        .program = work->means->program,
        .words = &words,
        .silent = true,
        .object = order_take_object,
        .opaque = work,
        .watch = &work->watch,
    };

    job_work_look(work->plan, "list", &words);
    job_step_run(&step, &end);
}

/* ---- the order ------------------------------------------------------------------------------ */

/* Insertion: there are some hundred at most, and what is equal must not change places. */
void job_order_sort(struct job_turn *turns, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct job_turn turn = turns[i];
        size_t to = i;
        for (; to > 0 && turns[to - 1].newest_s > turn.newest_s; to--)
            turns[to] = turns[to - 1];
        turns[to] = turn;
    }
}

void job_order(struct job_work *work)
{
    if (work->plan->guest_count < 2)
        return;
    order_by_results(work);
    order_by_store(work);
    job_order_sort(work->turns, work->plan->guest_count);
}
