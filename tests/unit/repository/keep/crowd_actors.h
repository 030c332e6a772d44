/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Who takes part in a crowd, for crowd.c and crowd_actors.c.
 */
#pragma once

#include "ledger.h"
#include "repository/format/pack.h"
#include "repository/repository.h"
#include "crowd.h"

#define CROWD_COLLECTORS 2u

enum crowd_fault {
    FAULT_NONE,
    FAULT_CRASH,
    FAULT_POWER,
    FAULT_SETBACK,
    FAULT_LOCKED,
    FAULT_FULL,
    FAULT_TOMBSTONES, /* only with the rule that lets them go */
};

/* Where an actor is stopped for long: when it is about to do this for the given time. */
struct crowd_stop {
    enum memory_step step;
    char top;       /* the name begins so; '*': whatever it does */
    unsigned times; /* 0: nowhere */
};
#define CROWD_STOPS 2u

struct crowd_actor {
    struct crowd *crowd;
    unsigned number;
    enum altered_role role;
    struct repository repository; /* with a store of its own */
    uint64_t chance;
    struct pack_writer *pack_writer;
    enum memory_step next; /* what it is about to do */
    char next_name[128];
    struct crowd_stop stops[CROWD_STOPS + 1];
    unsigned stop_next;
    bool begins_again; /* a set-back has ended it */
    bool removes;      /* a collector that has judged its token, and removes now */
    struct {
        unsigned guest;
        unsigned like; /* 0: none */
        unsigned sessions;
        unsigned packs;
        unsigned parts; /* partial points of each backup */
    } writer;
    struct {
        int state_fd;
        unsigned runs;
        int64_t silence_ms;
        bool once; /* enough when one is done */
        bool must_end;
    } collector;
};

struct crowd {
    const struct crowd_case *run;
    struct memory *memory;
    struct memory *base; /* as each run begins */
    struct memory *snapshot;
    struct repository *repository;
    struct schedule *schedule;
    struct ledger ledger;
    struct crowd_actor actors[SCHEDULE_ACTORS];
    unsigned actor_count;
    char *state_paths[CROWD_COLLECTORS];
    int state_fds[CROWD_COLLECTORS];
    uint64_t chance;
    unsigned steps;
    enum crowd_fault fault;
    unsigned fault_begins; /* step */
    unsigned fault_ends;
    bool fault_over;
    bool fault_quiet;      /* it comes when all that are left are stopped */
    bool snapshot_at_stop; /* that to which it is set back is made when the first one is stopped */
    bool stops;            /* actors are stopped for long */
    unsigned scene;        /* of the chain */
    unsigned scene_times;
    unsigned scene_step; /* at which it was asked for last */
    char *violation;
};

int crowd_step(void *opaque, enum memory_step step, const char *name, struct err *err);

/* Another actor of this run; it then gets what its role needs. */
struct crowd_actor *crowd_add(struct crowd *crowd, enum altered_role role,
                              void (*run)(void *opaque));
/* Whether it goes on with its next piece of work; what a set-back has ended does, as another process. */
bool crowd_goes_on(struct crowd_actor *actor, bool more);
void crowd_crash_all(struct crowd *crowd);
/* crowd_faults.c: chooses what befalls this run; makes it happen, if it is time, at a step and when all that are
 * left are stopped. */
void crowd_choose_fault(struct crowd *crowd);
void crowd_suffer(struct crowd *crowd);
void crowd_suffer_when_quiet(void *opaque);
/* crowd_stops.c: chooses where an actor is stopped; stops it if it is there. */
void crowd_choose_stops(struct crowd_actor *actor);
void crowd_stop_at(struct crowd_actor *actor, enum memory_step step, const char *name);
/* Until all have ended, who then are forgotten. */
void crowd_play(struct crowd *crowd);
/* crowd_chain.c: see struct crowd_case. */
void crowd_chain(struct crowd *crowd);

/* Of an actor each. */
void crowd_write(void *opaque);
void crowd_collect(void *opaque);
void crowd_prune(void *opaque);
void crowd_hold(void *opaque);
void crowd_undelete(void *opaque);
/* Marks all points that stand; marks one, then holds it. */
void crowd_prune_all(void *opaque);
void crowd_trash_and_hold(void *opaque);
