/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "schedule.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "../../chance.h"
#include "base/cleanup.h"

#define STACK_SIZE ((size_t)1 << 20)

struct schedule_actor {
    ucontext_t context;
    void *stack;
    void (*run)(void *opaque);
    void *opaque;
    bool ended;
    bool crashed;
    bool stopped;
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
    unsigned changes;
    unsigned current; /* the actor at work */
    ucontext_t caller;
};

/* The one that run_actor is to begin: makecontext passes no pointers. */
static struct schedule *begun;

static bool can_run(const struct schedule_actor *actor)
{
    return !actor->ended && !actor->stopped;
}

/* The next one by weight; none of those that are left may have any. */
static unsigned choose_by_weight(struct schedule *schedule)
{
    unsigned total = 0, left = 0;

    for (unsigned i = 0; i < schedule->count; i++)
        if (can_run(&schedule->actors[i]))
            total += schedule->plan.weights[i] + 1u;
    uint64_t chosen = chance_below(&schedule->chance, total);
    for (unsigned i = 0; i < schedule->count; i++) {
        if (!can_run(&schedule->actors[i]))
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
        if (can_run(&schedule->actors[i]) &&
            (best == SCHEDULE_ACTORS ||
             schedule->actors[i].priority > schedule->actors[best].priority))
            best = i;
    return best;
}

/* If nobody can run, one of those that are stopped goes on. */
static void wake_one(struct schedule *schedule)
{
    unsigned left[SCHEDULE_ACTORS], count = 0;

    for (unsigned i = 0; i < schedule->count; i++)
        if (can_run(&schedule->actors[i]))
            return;
    if (schedule->plan.quiet)
        schedule->plan.quiet(schedule->plan.opaque);
    for (unsigned i = 0; i < schedule->count; i++)
        if (!schedule->actors[i].ended)
            left[count++] = i;
    schedule->actors[left[chance_below(&schedule->chance, count)]].stopped = false;
}

/* current may have ended, or be no actor; somebody has not ended. */
static unsigned choose_actor(struct schedule *schedule, unsigned current)
{
    const struct schedule_plan *plan = &schedule->plan;

    wake_one(schedule);
    bool runs = current < schedule->count && can_run(&schedule->actors[current]);
    if (plan->kind == SCHEDULE_CHANCE)
        return runs && chance_below(&schedule->chance, 256) >= plan->switches
                   ? current
                   : choose_by_weight(schedule);
    if (plan->kind == SCHEDULE_ASKED) {
        unsigned asked = plan->ask(plan->opaque);
        return asked < schedule->count && can_run(&schedule->actors[asked])
                   ? asked
                   : choose_by_priority(schedule);
    }
    for (unsigned i = 0; i < SCHEDULE_CHANGES; i++) {
        if (plan->at[i] != schedule->steps || plan->at[i] == 0 || !runs)
            continue;
        if (plan->kind == SCHEDULE_PRIORITY)
            schedule->actors[current].priority = --schedule->lowest;
        else if (plan->to[i] < schedule->count && plan->to[i] != current &&
                 can_run(&schedule->actors[plan->to[i]])) {
            schedule->changes++;
            return plan->to[i];
        }
    }
    return runs && plan->kind == SCHEDULE_FIXED ? current : choose_by_priority(schedule);
}

static bool all_ended(const struct schedule *schedule)
{
    for (unsigned i = 0; i < schedule->count; i++)
        if (!schedule->actors[i].ended)
            return false;
    return true;
}

static void run_actor(void)
{
    struct schedule *schedule = begun;
    struct schedule_actor *actor = &schedule->actors[schedule->current];

    actor->run(actor->opaque);
    actor->ended = true;
    if (all_ended(schedule))
        setcontext(&schedule->caller);
    schedule->current = choose_actor(schedule, schedule->current);
    setcontext(&schedule->actors[schedule->current].context);
    abort();
}

struct schedule *schedule_new(void)
{
    struct schedule *schedule = mem_alloc(sizeof(*schedule));

    for (unsigned i = 0; i < SCHEDULE_ACTORS; i++) {
        schedule->actors[i].stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
                                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
        if (schedule->actors[i].stack == MAP_FAILED)
            abort();
    }
    return schedule;
}

void schedule_free(struct schedule *schedule)
{
    for (unsigned i = 0; i < SCHEDULE_ACTORS; i++)
        munmap(schedule->actors[i].stack, STACK_SIZE);
    free(schedule);
}

void schedule_begin(struct schedule *schedule, const struct schedule_plan *plan)
{
    schedule->plan = *plan;
    schedule->chance = plan->seed;
    schedule->count = 0;
    schedule->steps = 0;
    schedule->lowest = 0;
    schedule->changes = 0;
}

unsigned schedule_add(struct schedule *schedule, void (*run)(void *opaque), void *opaque)
{
    struct schedule_actor *actor = &schedule->actors[schedule->count];

    actor->run = run;
    actor->opaque = opaque;
    actor->ended = actor->crashed = actor->stopped = false;
    actor->steps_to_crash = 0;
    if (getcontext(&actor->context) < 0)
        abort();
    actor->context.uc_stack.ss_sp = actor->stack;
    actor->context.uc_stack.ss_size = STACK_SIZE;
    makecontext(&actor->context, run_actor, 0);
    actor->priority = schedule->plan.kind == SCHEDULE_PRIORITY
                          ? 1 + (int)chance_below(&schedule->chance, 1000)
                          : (int)(SCHEDULE_ACTORS - schedule->count);
    return schedule->count++;
}

unsigned schedule_run(struct schedule *schedule)
{
    begun = schedule;
    if (schedule->count > 0) {
        schedule->current = choose_actor(schedule, SCHEDULE_ACTORS);
        if (swapcontext(&schedule->caller, &schedule->actors[schedule->current].context) < 0)
            abort();
    }
    return schedule->steps;
}

unsigned schedule_changes(const struct schedule *schedule)
{
    return schedule->changes;
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
            schedule->current = next;
            if (swapcontext(&actor->context, &schedule->actors[next].context) < 0)
                abort();
        }
    }
    return actor->crashed ? err_set(err, ERR_IO, "it has crashed") : 0;
}

void schedule_crash(struct schedule *schedule, unsigned actor, unsigned at)
{
    schedule->actors[actor].steps_to_crash = at;
    if (at > 0)
        return;
    schedule->actors[actor].crashed = true;
    schedule->actors[actor].stopped = false;
}

void schedule_revive(struct schedule *schedule, unsigned actor)
{
    schedule->actors[actor].crashed = false;
    schedule->actors[actor].steps_to_crash = 0;
}

void schedule_stop(struct schedule *schedule, unsigned actor)
{
    schedule->actors[actor].stopped = true;
}

bool schedule_has_crashed(const struct schedule *schedule, unsigned actor)
{
    return schedule->actors[actor].crashed;
}

bool schedule_has_ended(const struct schedule *schedule, unsigned actor)
{
    return schedule->actors[actor].ended;
}
