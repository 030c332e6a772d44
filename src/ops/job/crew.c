/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/job/crew.h"

#include "base/log.h"
#include "base/quit.h"
#include "base/thread.h"
#include "ops/job/guest.h"

struct crew_worker {
    pthread_t thread;
    struct job_work *work;
    size_t number;
};

size_t job_crew_size(const struct job_plan *plan)
{
    size_t wanted = plan->parallel ? plan->parallel : 1;

    return wanted < plan->guest_count ? wanted : plan->guest_count ? plan->guest_count : 1;
}

/* NULL: nothing is to be begun any more. */
static struct job_turn *crew_take(struct job_work *work)
{
    struct job_turn *turn = NULL;

    pthread_mutex_lock(&work->mutex);
    if (work->taken < work->plan->guest_count && !job_work_closed(work))
        turn = &work->turns[work->taken++];
    pthread_mutex_unlock(&work->mutex);
    return turn;
}

static void *crew_work(void *opaque)
{
    const struct crew_worker *worker = opaque;
    struct job_turn *turn;

    while ((turn = crew_take(worker->work)))
        job_guest_back_up(worker->work, turn, worker->number);
    return NULL;
}

static void crew_tell_rest(struct job_work *work)
{
    for (size_t i = 0; i < work->plan->guest_count; i++) {
        struct job_turn *turn = &work->turns[i];
        if (turn->state != TURN_WAITS)
            continue;
        turn->state = quit_requested() ? TURN_NOT_TRIED : TURN_LEFT;
        job_work_tell(work,
                      &(struct event){.kind = turn->state == TURN_LEFT ? EVENT_JOB_GUEST_LEFT
                                                                       : EVENT_GUEST_NOT_TRIED,
                                      .guest = turn->guest->name});
    }
}

void job_crew_run(struct job_work *work)
{
    size_t count = job_crew_size(work->plan);
    CLEANUP_FREE struct crew_worker *workers = mem_array(count, sizeof(*workers));
    size_t started = 0;
    CLEANUP_ERR struct err err = ERR_INIT;

    for (; started < count; started++) {
        workers[started] = (struct crew_worker){.work = work, .number = started};
        if (thread_start(&workers[started].thread, crew_work, &workers[started], "a guest", &err) <
            0)
            break;
    }
    if (started == 0) {
        workers[0] = (struct crew_worker){.work = work};
        crew_work(&workers[0]);
    } else if (started < count) {
        log_detail("%s; going on with %zu guests at a time", err.text, started);
    }
    for (size_t i = 0; i < started; i++)
        pthread_join(workers[i].thread, NULL);
    crew_tell_rest(work);
}
