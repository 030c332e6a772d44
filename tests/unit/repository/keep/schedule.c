/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "schedule.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

#include "../../chance.h"
#include "base/cleanup.h"

struct schedule_actor {
    struct schedule *schedule;
    unsigned number;
    pthread_t thread;
    sem_t turn;
    void (*run)(void *opaque);
    void *opaque;
    bool ended;
    bool crashed;
    unsigned steps_to_crash; /* 0: it does not */
    int priority;
};

struct schedule {
    struct schedule_actor actors[SCHEDULE_ACTORS];
    unsigned count;
    struct schedule_plan plan;
    uint64_t chance;
    unsigned steps;
    int lowest;
    sem_t all_ended;
    bool closing;
};

/* The next one by weight; none of those that are left may have any. */
static unsigned choose_by_weight(struct schedule *schedule)
{
    unsigned total = 0, left = 0;

    for (unsigned i = 0; i < schedule->count; i++)
        if (!schedule->actors[i].ended)
            total += schedule->plan.weights[i] + 1u;
    uint64_t chosen = chance_below(&schedule->chance, total);
    for (unsigned i = 0; i < schedule->count; i++) {
        if (schedule->actors[i].ended)
            continue;
        left = i;
        if (chosen < schedule->plan.weights[i] + 1u)
            return i;
        chosen -= schedule->plan.weights[i] + 1u;
    }
    return left;
}

static unsigned choose_by_priority(const struct schedule *schedule)
{
    unsigned best = SCHEDULE_ACTORS;

    for (unsigned i = 0; i < schedule->count; i++)
        if (!schedule->actors[i].ended &&
            (best == SCHEDULE_ACTORS ||
             schedule->actors[i].priority > schedule->actors[best].priority))
            best = i;
    return best;
}

/* current may have ended, or be no actor; somebody has not ended. */
static unsigned choose_actor(struct schedule *schedule, unsigned current)
{
    const struct schedule_plan *plan = &schedule->plan;
    bool runs = current < schedule->count && !schedule->actors[current].ended;

    if (plan->kind == SCHEDULE_CHANCE)
        return runs && chance_below(&schedule->chance, 256) >= plan->switches
                   ? current
                   : choose_by_weight(schedule);
    for (unsigned i = 0; i < SCHEDULE_CHANGES; i++) {
        if (plan->at[i] != schedule->steps || plan->at[i] == 0 || !runs)
            continue;
        if (plan->kind == SCHEDULE_PRIORITY)
            schedule->actors[current].priority = --schedule->lowest;
        else if (plan->to[i] < schedule->count && !schedule->actors[plan->to[i]].ended)
            return plan->to[i];
    }
    return runs && plan->kind == SCHEDULE_FIXED ? current : choose_by_priority(schedule);
}

static void pass_turn(struct schedule *schedule, unsigned current)
{
    for (unsigned i = 0; i < schedule->count; i++)
        if (!schedule->actors[i].ended) {
            sem_post(&schedule->actors[choose_actor(schedule, current)].turn);
            return;
        }
    sem_post(&schedule->all_ended);
}

static void *run_actor(void *opaque)
{
    struct schedule_actor *actor = opaque;
    struct schedule *schedule = actor->schedule;

    for (;;) {
        sem_wait(&actor->turn);
        if (schedule->closing)
            return NULL;
        actor->run(actor->opaque);
        actor->ended = true;
        pass_turn(schedule, actor->number);
    }
}

struct schedule *schedule_new(void)
{
    struct schedule *schedule = mem_alloc(sizeof(*schedule));

    sem_init(&schedule->all_ended, 0, 0);
    for (unsigned i = 0; i < SCHEDULE_ACTORS; i++) {
        struct schedule_actor *actor = &schedule->actors[i];
        actor->schedule = schedule;
        actor->number = i;
        sem_init(&actor->turn, 0, 0);
        if (pthread_create(&actor->thread, NULL, run_actor, actor) != 0)
            abort();
    }
    return schedule;
}

void schedule_free(struct schedule *schedule)
{
    schedule->closing = true;
    for (unsigned i = 0; i < SCHEDULE_ACTORS; i++)
        sem_post(&schedule->actors[i].turn);
    for (unsigned i = 0; i < SCHEDULE_ACTORS; i++) {
        pthread_join(schedule->actors[i].thread, NULL);
        sem_destroy(&schedule->actors[i].turn);
    }
    sem_destroy(&schedule->all_ended);
    free(schedule);
}

void schedule_begin(struct schedule *schedule, const struct schedule_plan *plan)
{
    schedule->plan = *plan;
    schedule->chance = plan->seed;
    schedule->count = 0;
    schedule->steps = 0;
    schedule->lowest = 0;
}

unsigned schedule_add(struct schedule *schedule, void (*run)(void *opaque), void *opaque)
{
    struct schedule_actor *actor = &schedule->actors[schedule->count];

    actor->run = run;
    actor->opaque = opaque;
    actor->ended = actor->crashed = false;
    actor->steps_to_crash = 0;
    actor->priority = schedule->plan.kind == SCHEDULE_PRIORITY
                          ? 1 + (int)chance_below(&schedule->chance, 1000)
                          : (int)(SCHEDULE_ACTORS - schedule->count);
    return schedule->count++;
}

unsigned schedule_run(struct schedule *schedule)
{
    pass_turn(schedule, SCHEDULE_ACTORS);
    sem_wait(&schedule->all_ended);
    return schedule->steps;
}

int schedule_step(struct schedule *schedule, unsigned number, struct err *err)
{
    struct schedule_actor *actor = &schedule->actors[number];

    if (!actor->crashed) {
        if (actor->steps_to_crash > 0 && --actor->steps_to_crash == 0)
            actor->crashed = true;
        schedule->steps++;
        unsigned next = choose_actor(schedule, number);
        if (next != number) {
            sem_post(&schedule->actors[next].turn);
            sem_wait(&actor->turn);
        }
    }
    return actor->crashed ? err_set(err, ERR_IO, "it has crashed") : 0;
}

void schedule_crash(struct schedule *schedule, unsigned actor, unsigned at)
{
    schedule->actors[actor].steps_to_crash = at;
    if (at == 0)
        schedule->actors[actor].crashed = true;
}

bool schedule_has_crashed(const struct schedule *schedule, unsigned actor)
{
    return schedule->actors[actor].crashed;
}
