/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Sessions, prunings, holds, undeletes and collections, all of them the real code, at once in one
 * repository in memory, in an order that a seed decides, with crashes, power cuts, a store that is
 * set back, full, or refuses. What must be true is in ledger.h.
 */
#pragma once

#include "altered_store.h"
#include "schedule.h"

struct storm;

/* state_parent: a folder for state directories. */
struct storm *storm_new(const char *state_parent);
void storm_free(struct storm *storm);

struct storm_case {
    uint64_t seed;
    enum altered_rule rule; /* that is taken away */
    /* A few actors without faults, in a fixed order: see struct schedule_plan. */
    bool fixed;
    unsigned variant; /* of the actors, and their order */
    unsigned at[2];
    unsigned to[2];
    bool verbose; /* prints each step */
};

#define STORM_VARIANTS 12u
#define STORM_FIXED_ACTORS 3u

/* What went wrong, until the next run; NULL: nothing. *ret_steps may be NULL. */
const char *storm_run(struct storm *storm, const struct storm_case *run, unsigned *ret_steps);
