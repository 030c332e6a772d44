/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What befalls a crowd and its store.
 */
#include <stdio.h>
#include <string.h>

#include "../../chance.h"
#include "crowd_actors.h"

/* What shows that a rule is missing; without one, anything. */
static enum crowd_fault fault_for(struct crowd *crowd)
{
    static const enum crowd_fault faults[] = {
        FAULT_NONE,  FAULT_NONE,    FAULT_NONE,  FAULT_CRASH,  FAULT_CRASH, FAULT_CRASH,
        FAULT_POWER, FAULT_SETBACK, FAULT_POWER, FAULT_LOCKED, FAULT_FULL,
    };

    switch ((int)crowd->run->rule) {
    case RULE_NONE:
        return faults[chance_below(&crowd->chance, sizeof(faults) / sizeof(faults[0]))];
    case RULE_SLOTS_NOT_SETTLED:
    case RULE_OWN_SLOTS_SETTLED:
    case RULE_PACKS_NOT_SETTLED:
        return FAULT_POWER;
    case RULE_TOKEN_NOT_CHECKED:
    case RULE_TOKEN_LATE:
    case RULE_REMOVED_SINCE_TOKEN:
    case RULE_SESSION_OUTLIVES_SETBACK:
    case RULE_SETBACK_DURING_REMOVAL:
        return FAULT_SETBACK;
    case RULE_TOMBSTONES_GO:
        return FAULT_TOMBSTONES;
    default:
        return FAULT_NONE;
    }
}

void crowd_choose_fault(struct crowd *crowd)
{
    crowd->fault = fault_for(crowd);
    crowd->fault_quiet = chance_next(&crowd->chance) & 1;
    crowd->snapshot_at_stop = chance_next(&crowd->chance) & 1;
    crowd->fault_begins =
        1 + (unsigned)chance_below(&crowd->chance, 4 << chance_below(&crowd->chance, 7));
    crowd->fault_ends = crowd->fault_begins + (unsigned)chance_below(&crowd->chance, 200);
}

static bool one_of_two(void *opaque)
{
    return chance_next(opaque) & 1;
}

void crowd_crash_all(struct crowd *crowd)
{
    for (unsigned i = 0; i < crowd->actor_count; i++)
        schedule_crash(crowd->schedule, i, 0);
}

static bool somebody_removes(const struct crowd *crowd)
{
    for (unsigned i = 0; i < crowd->actor_count; i++)
        if (crowd->actors[i].removes && !schedule_has_crashed(crowd->schedule, i))
            return true;
    return false;
}

/* Those who write are ended, for packs that they have put since then are gone, and others begin in their
 * place. Collectors are not. */
static void end_writers(struct crowd *crowd)
{
    for (unsigned i = 0; i < crowd->actor_count; i++) {
        struct crowd_actor *actor = &crowd->actors[i];
        if (actor->role == ROLE_COLLECTOR || schedule_has_crashed(crowd->schedule, i))
            continue;
        schedule_crash(crowd->schedule, i, 0);
        actor->begins_again = true;
    }
}

static void set_store_back(struct crowd *crowd)
{
    memory_set_back(crowd->memory, crowd->snapshot);
    if (crowd->run->rule != RULE_SESSION_OUTLIVES_SETBACK)
        end_writers(crowd);
    ledger_refresh(&crowd->ledger, true);
}

static void remove_tombstones(struct crowd *crowd)
{
    CLEANUP_STRINGS struct strings names = {0};

    for (const char *name = memory_next(crowd->memory, ""); name;
         name = memory_next(crowd->memory, name))
        if (strncmp(name, "p/", 2) == 0 &&
            memory_look(crowd->memory, name).len == SLOT_TOMBSTONE_SIZE)
            strings_add(&names, name);
    (void)store_delete(crowd->repository->store, &names, NULL);
}

static void befall(struct crowd *crowd)
{
    const struct memory_keeps keeps = {one_of_two, &crowd->chance};

    crowd->fault_over = true;
    if (crowd->run->verbose)
        fprintf(stderr, "%4u fault %d, begun at step %u\n", crowd->steps, (int)crowd->fault,
                crowd->fault_begins);
    if (crowd->fault == FAULT_SETBACK && crowd->snapshot)
        set_store_back(crowd);
    if (crowd->fault == FAULT_POWER) {
        crowd->ledger.power_failed = true;
        memory_cut(crowd->memory, &keeps);
        crowd_crash_all(crowd);
        ledger_refresh(&crowd->ledger, false);
    }
    if (crowd->fault == FAULT_TOMBSTONES && crowd->run->rule == RULE_TOMBSTONES_GO)
        remove_tombstones(crowd);
    memory_set_locked(crowd->memory, false);
    memory_set_full(crowd->memory, false);
}

static bool is_spared(const struct crowd *crowd)
{
    return crowd->fault == FAULT_SETBACK && crowd->run->rule != RULE_SETBACK_DURING_REMOVAL &&
           somebody_removes(crowd);
}

void crowd_suffer(struct crowd *crowd)
{
    crowd->steps++;
    if (crowd->steps == crowd->fault_begins && crowd->fault == FAULT_SETBACK && !crowd->snapshot)
        crowd->snapshot = memory_snapshot(crowd->memory);
    if (crowd->steps == crowd->fault_begins && crowd->fault == FAULT_LOCKED)
        memory_set_locked(crowd->memory, true);
    if (crowd->steps == crowd->fault_begins && crowd->fault == FAULT_FULL)
        memory_set_full(crowd->memory, true);
    if (crowd->steps >= crowd->fault_ends && !crowd->fault_over && !crowd->fault_quiet &&
        !is_spared(crowd))
        befall(crowd);
}

void crowd_suffer_when_quiet(void *opaque)
{
    struct crowd *crowd = opaque;

    if (crowd->fault == FAULT_CRASH && (chance_next(&crowd->chance) & 1))
        schedule_crash(crowd->schedule, (unsigned)chance_below(&crowd->chance, crowd->actor_count),
                       0);
    bool begun = crowd->fault == FAULT_SETBACK ? crowd->snapshot != NULL
                                               : crowd->steps >= crowd->fault_begins;
    if (!crowd->fault_over && crowd->fault_quiet && begun && !is_spared(crowd) &&
        (chance_next(&crowd->chance) & 1))
        befall(crowd);
}
