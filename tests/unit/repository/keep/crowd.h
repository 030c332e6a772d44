/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sessions, prunings, holds, undeletes and collections, all of them the real code, at once in one
 * repository in memory, in an order that a seed decides, with crashes, power cuts, a store that is
 * set back, full, or refuses. What must be true is in ledger.h.
 */
#pragma once

#include "altered_store.h"
#include "schedule.h"

struct crowd;

/* state_parent: a folder for state directories. */
struct crowd *crowd_new(const char *state_parent);
void crowd_free(struct crowd *crowd);

struct crowd_case {
    uint64_t seed;
    enum altered_rule rule; /* that is taken away */
    /* A few actors without faults, in a fixed order: see struct schedule_plan. */
    bool fixed;
    unsigned variant; /* of the actors, and their order */
    unsigned changes; /* how many there are to be at most */
    unsigned at[3];
    unsigned to[3];
    /* Instead, one order of two sessions and two collections: the second session builds on the first
     * one's point, which the second collection removes while the first one is about to read it. */
    bool chain;
    bool verbose; /* prints each step */
};

#define CROWD_VARIANTS 12u
#define CROWD_FIXED_ACTORS 3u

struct crowd_result {
    unsigned steps;
    unsigned changes; /* of a fixed order that had an effect */
};

/* What went wrong, until the next run; NULL: nothing. */
const char *crowd_run(struct crowd *crowd, const struct crowd_case *run, struct crowd_result *ret);
