/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Runs actors in turns, each on a stack of its own, from one step to the next, in an order that a plan
 * decides. A step is where others may come between. The same plan gives the same order. (Threads
 * that wait for each other would do the same, but slowly on a busy machine.)
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define SCHEDULE_ACTORS 10

struct schedule;

enum schedule_kind {
    SCHEDULE_CHANCE,   /* now and then another one goes on */
    SCHEDULE_PRIORITY, /* each as long as it can, but at some steps the one at work comes last */
    SCHEDULE_FIXED,    /* each as long as it can, but at some steps a certain one goes on */
    SCHEDULE_ASKED,    /* somebody else says */
};
#define SCHEDULE_CHANGES 4

/* Who goes on at each step. Steps are counted over all actors, from 1; 0: never. */
struct schedule_plan {
    enum schedule_kind kind;
    uint64_t seed;
    /* By chance: how often in 256 another one goes on, and how often each of them is it. */
    unsigned switches;
    uint8_t weights[SCHEDULE_ACTORS];
    unsigned at[SCHEDULE_CHANGES];
    unsigned to[SCHEDULE_CHANGES]; /* fixed */
    /* Called when all that are left are stopped, before one of them goes on; may be NULL. */
    void (*quiet)(void *opaque);
    /* Asked: the actor that goes on; one that has ended, or none, stands for the first that is left. */
    unsigned (*ask)(void *opaque);
    void *opaque;
};

struct schedule *schedule_new(void);
void schedule_free(struct schedule *schedule);

void schedule_begin(struct schedule *schedule, const struct schedule_plan *plan);
/* Returns its number, from 0. */
unsigned schedule_add(struct schedule *schedule, void (*run)(void *opaque), void *opaque);
/* Until all have ended. Returns the number of steps. */
unsigned schedule_run(struct schedule *schedule);

/* How many of a fixed plan's changes have had an effect so far. */
unsigned schedule_changes(const struct schedule *schedule);

/* To be called by the actor of this number. -1: it has crashed, and every further step fails. */
int schedule_step(struct schedule *schedule, unsigned actor, struct err *err);
/* From its next step on; at: in so many of its steps (0: at once). */
void schedule_crash(struct schedule *schedule, unsigned actor, unsigned at);
/* It has crashed, and begins again as another process. */
void schedule_revive(struct schedule *schedule, unsigned actor);
/* From its next step on, until the others have ended or are stopped, too, and chance chooses it. */
void schedule_stop(struct schedule *schedule, unsigned actor);
bool schedule_has_ended(const struct schedule *schedule, unsigned actor);
bool schedule_has_crashed(const struct schedule *schedule, unsigned actor);
