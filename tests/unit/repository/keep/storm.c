/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "storm.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../chance.h"
#include "base/dir.h"
#include "base/io.h"
#include "ledger.h"
#include "storm_actors.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)

/* ---- chance ---------------------------------------------------------------------------------- */

/* Ids and names of tokens are drawn from the seed, too. */
static uint64_t drawn;

int __wrap_random_bytes(void *ret, size_t len, struct err *err);
int __wrap_random_bytes(void *ret, size_t len, struct err *err)
{
    uint8_t *bytes = ret;

    (void)err;
    for (size_t i = 0; i < len && i < 64; i++)
        bytes[i] = (uint8_t)chance_next(&drawn);
    if (len > 64)
        memset(bytes + 64, 0, len - 64);
    return 0;
}

/* The state directory outlives nothing here. */
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    (void)fd;
    return 0;
}

/* ---- the repository -------------------------------------------------------------------------- */

static void fail_storm(const char *what, const struct err *err)
{
    fprintf(stderr, "%s: %s\n", what, err->text);
    abort();
}

/* Two points of guest 1, of which the second builds on the first, and one of guest 2. */
static void make_base(struct storm *storm)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    storm->memory = memory_new();
    if (repository_create_in(memory_open(storm->memory, NULL), "default", &storm->repository,
                             &err) < 0)
        fail_storm("cannot make a repository", &err);
    for (unsigned i = 0; i < 3; i++) {
        struct storm_actor actor = {.storm = storm, .repository = *storm->repository};
        actor.writer.guest = i < 2 ? 1 : 2;
        actor.writer.sessions = 1;
        actor.writer.packs = 1;
        storm_write(&actor);
        memory_add_time(storm->memory, DAY_MS);
    }
    storm->base = memory_snapshot(storm->memory);
}

struct storm *storm_new(const char *state_parent)
{
    struct storm *storm = mem_alloc(sizeof(*storm));

    drawn = 1;
    make_base(storm);
    storm->schedule = schedule_new();
    for (unsigned i = 0; i < STORM_COLLECTORS; i++) {
        storm->state_paths[i] = mem_printf("%s/state-%u", state_parent, i);
        CLEANUP_ERR struct err err = ERR_INIT;
        if (mkdir(storm->state_paths[i], 0700) < 0 ||
            io_open_dir(storm->state_paths[i], &storm->state_fds[i], &err) < 0)
            fail_storm("cannot make a state directory", &err);
    }
    for (unsigned i = 0; i < SCHEDULE_ACTORS; i++)
        storm->actors[i].pack_writer = pack_writer_new(NULL);
    return storm;
}

static void empty_folder(int fd)
{
    CLEANUP_STRINGS struct strings names = {0};

    if (dir_list(fd, ".", &names, NULL) < 0)
        abort();
    for (size_t i = 0; i < names.count; i++)
        (void)unlinkat(fd, names.items[i], 0);
}

void storm_free(struct storm *storm)
{
    schedule_free(storm->schedule);
    for (unsigned i = 0; i < STORM_COLLECTORS; i++) {
        empty_folder(storm->state_fds[i]);
        close(storm->state_fds[i]);
        (void)rmdir(storm->state_paths[i]);
        free(storm->state_paths[i]);
    }
    for (unsigned i = 0; i < SCHEDULE_ACTORS; i++)
        pack_writer_free(storm->actors[i].pack_writer);
    repository_close(storm->repository);
    memory_free(storm->memory);
    memory_free(storm->base);
    memory_free(storm->snapshot);
    free(storm->violation);
    free(storm);
}

/* ---- faults ---------------------------------------------------------------------------------- */

static bool one_of_two(void *opaque)
{
    return chance_next(opaque) & 1;
}

static void crash_actors(struct storm *storm, bool collectors_too)
{
    for (unsigned i = 0; i < storm->actor_count; i++)
        if (collectors_too || storm->actors[i].role != ROLE_COLLECTOR)
            schedule_crash(storm->schedule, i, 0);
}

static bool somebody_removes(const struct storm *storm)
{
    for (unsigned i = 0; i < storm->actor_count; i++)
        if (storm->actors[i].removes && !schedule_has_crashed(storm->schedule, i))
            return true;
    return false;
}

/* Those who write are ended: packs that they have put since then are gone. Collectors are not. */
static void set_store_back(struct storm *storm)
{
    memory_set_back(storm->memory, storm->snapshot);
    if (storm->run->rule != RULE_SESSION_OUTLIVES_SETBACK)
        crash_actors(storm, false);
    ledger_refresh(&storm->ledger, true);
}

static void remove_tombstones(struct storm *storm)
{
    CLEANUP_STRINGS struct strings names = {0};

    for (const char *name = memory_next(storm->memory, ""); name;
         name = memory_next(storm->memory, name))
        if (strncmp(name, "p/", 2) == 0 &&
            memory_look(storm->memory, name).len == SLOT_TOMBSTONE_SIZE)
            strings_add(&names, name);
    (void)store_delete(storm->repository->store, &names, NULL);
}

static void suffer(struct storm *storm)
{
    const struct memory_keeps keeps = {one_of_two, &storm->chance};

    storm->steps++;
    if (storm->steps == storm->fault_begins && storm->fault == FAULT_SETBACK)
        storm->snapshot = memory_snapshot(storm->memory);
    if (storm->steps == storm->fault_begins && storm->fault == FAULT_LOCKED)
        memory_set_locked(storm->memory, true);
    if (storm->steps == storm->fault_begins && storm->fault == FAULT_FULL)
        memory_set_full(storm->memory, true);
    if (storm->steps < storm->fault_ends || storm->fault_over)
        return;
    if (storm->fault == FAULT_SETBACK && storm->run->rule != RULE_SETBACK_DURING_REMOVAL &&
        somebody_removes(storm))
        return;
    storm->fault_over = true;
    if (storm->run->verbose)
        fprintf(stderr, "%4u fault %d, begun at step %u\n", storm->steps, (int)storm->fault,
                storm->fault_begins);
    if (storm->fault == FAULT_SETBACK && storm->snapshot)
        set_store_back(storm);
    if (storm->fault == FAULT_POWER) {
        storm->ledger.power_failed = true;
        memory_cut(storm->memory, &keeps);
        crash_actors(storm, true);
        ledger_refresh(&storm->ledger, false);
    }
    if (storm->fault == FAULT_TOMBSTONES && storm->run->rule == RULE_TOMBSTONES_GO)
        remove_tombstones(storm);
    memory_set_locked(storm->memory, false);
    memory_set_full(storm->memory, false);
}

int storm_step(void *opaque, enum memory_step step, const char *name, struct err *err)
{
    static const char *const texts[] = {
        [MEMORY_CREATE] = "create", [MEMORY_REPLACE] = "replace", [MEMORY_FLUSH] = "flush",
        [MEMORY_GET] = "get",       [MEMORY_LIST] = "list",       [MEMORY_DELETE] = "delete",
        [MEMORY_SETTLE] = "settle", [MEMORY_NOW] = "now",
    };
    struct storm_actor *actor = opaque;
    struct storm *storm = actor->storm;

    if (storm->ledger.violation) {
        crash_actors(storm, true);
        return err_set(err, ERR_IO, "it is over");
    }
    if (schedule_step(storm->schedule, actor->number, err) < 0)
        return -1;
    suffer(storm);
    if (schedule_has_crashed(storm->schedule, actor->number))
        return err_set(err, ERR_IO, "it has crashed");
    if (actor->role == ROLE_COLLECTOR && step == MEMORY_GET && name[0] == 'c')
        actor->removes = true;
    if (actor->role == ROLE_COLLECTOR && step == MEMORY_LIST && strcmp(name, "p/default/") == 0)
        actor->removes = false;
    if (step == MEMORY_DELETE && strcmp(name, "reserve") == 0)
        memory_set_full(storm->memory, false);
    if (storm->run->verbose)
        fprintf(stderr, "%4u %u %-8s %s\n", storm->steps, actor->number, texts[step], name);
    return 0;
}

/* ---- a run ----------------------------------------------------------------------------------- */

static struct storm_actor *add_storm_actor(struct storm *storm, enum altered_role role,
                                           void (*run)(void *opaque))
{
    unsigned number = schedule_add(storm->schedule, run, &storm->actors[storm->actor_count]);
    struct storm_actor *actor = &storm->actors[number];
    const struct altered altered = {storm->run->rule, role, storm->repository->id,
                                    storm->ledger.copies};
    const struct memory_hook hook = {storm_step, actor};

    *actor = (struct storm_actor){.storm = storm,
                                  .number = number,
                                  .role = role,
                                  .repository = *storm->repository,
                                  .pack_writer = actor->pack_writer,
                                  .chance = chance_next(&storm->chance)};
    actor->repository.store = altered_open(memory_open(storm->memory, &hook), &altered);
    storm->actor_count++;
    return actor;
}

static void add_writer(struct storm *storm)
{
    struct storm_actor *actor = add_storm_actor(storm, ROLE_WRITER, storm_write);

    actor->writer.guest = chance_below(&storm->chance, 4) == 0 ? 2 : 1;
    actor->writer.like = chance_below(&storm->chance, 4) == 0 ? 3 - actor->writer.guest : 0;
    actor->writer.sessions = 1 + (unsigned)chance_below(&storm->chance, 2);
    actor->writer.packs = (unsigned)chance_below(&storm->chance, 3);
}

static void add_collector(struct storm *storm, unsigned state)
{
    struct storm_actor *actor = add_storm_actor(storm, ROLE_COLLECTOR, storm_collect);

    actor->collector.state_fd = storm->state_fds[state];
    actor->collector.runs = 2 + (unsigned)chance_below(&storm->chance, 4);
    actor->collector.silence_ms = chance_below(&storm->chance, 3) == 0 ? DAY_MS : 0;
}

static void run_phase(struct storm *storm, const struct schedule_plan *plan)
{
    (void)plan;
    schedule_run(storm->schedule);
    for (unsigned i = 0; i < storm->actor_count; i++)
        store_close(storm->actors[i].repository.store);
    storm->actor_count = 0;
}

static void begin_random_phase(struct storm *storm)
{
    static const unsigned switches[] = {8, 40, 128, 255};
    static const uint8_t weights[] = {0, 20, 255};
    struct schedule_plan plan = {.seed = chance_next(&storm->chance)};

    plan.kind = chance_below(&storm->chance, 2) == 0 ? SCHEDULE_CHANCE : SCHEDULE_PRIORITY;
    for (unsigned i = 0; i < SCHEDULE_CHANGES; i++)
        plan.at[i] =
            1 + (unsigned)chance_below(&storm->chance, 100 << chance_below(&storm->chance, 4));
    plan.switches = switches[chance_below(&storm->chance, 4)];
    for (unsigned i = 0; i < SCHEDULE_ACTORS; i++)
        plan.weights[i] = weights[chance_below(&storm->chance, 3)];
    schedule_begin(storm->schedule, &plan);
}

/* What shows that a rule is missing; without one, anything. */
static enum storm_fault fault_for(struct storm *storm)
{
    static const enum storm_fault faults[] = {
        FAULT_NONE,  FAULT_NONE,    FAULT_NONE,  FAULT_CRASH,  FAULT_CRASH, FAULT_CRASH,
        FAULT_POWER, FAULT_SETBACK, FAULT_POWER, FAULT_LOCKED, FAULT_FULL,
    };

    switch ((int)storm->run->rule) {
    case RULE_NONE:
        return faults[chance_below(&storm->chance, sizeof(faults) / sizeof(faults[0]))];
    case RULE_SLOTS_NOT_SETTLED:
    case RULE_OWN_SLOTS_SETTLED:
    case RULE_PACKS_NOT_SETTLED:
        return FAULT_POWER;
    case RULE_TOKEN_NOT_CHECKED:
    case RULE_TOKEN_LATE:
    case RULE_SESSION_OUTLIVES_SETBACK:
    case RULE_SETBACK_DURING_REMOVAL:
        return FAULT_SETBACK;
    case RULE_TOMBSTONES_GO:
        return FAULT_TOMBSTONES;
    default:
        return FAULT_NONE;
    }
}

static void choose_fault(struct storm *storm)
{
    storm->fault = fault_for(storm);
    storm->fault_begins = 1 + (unsigned)chance_below(&storm->chance, 200);
    storm->fault_ends = storm->fault_begins + (unsigned)chance_below(&storm->chance, 200);
}

static void run_random(struct storm *storm)
{
    bool small = storm->run->rule != RULE_NONE || chance_below(&storm->chance, 4) == 0;
    unsigned writers = 1 + (unsigned)chance_below(&storm->chance, small ? 2 : 3);
    unsigned collectors = 1 + (unsigned)chance_below(&storm->chance, STORM_COLLECTORS);

    choose_fault(storm);
    begin_random_phase(storm);
    for (unsigned i = 0; i < writers; i++)
        add_writer(storm);
    for (unsigned i = 0; i < collectors; i++)
        add_collector(storm, i);
    add_storm_actor(storm, ROLE_OTHER, storm_prune);
    if (chance_next(&storm->chance) & 1)
        add_storm_actor(storm, ROLE_HOLDER, storm_hold);
    if (chance_next(&storm->chance) & 1)
        add_storm_actor(storm, ROLE_UNDELETER, storm_undelete);
    for (unsigned i = 0; storm->fault == FAULT_CRASH && i < storm->actor_count; i++)
        if (chance_next(&storm->chance) & 1)
            schedule_crash(storm->schedule, i, 1 + (unsigned)chance_below(&storm->chance, 120));
    run_phase(storm, NULL);
    bool power = storm->fault == FAULT_POWER;
    if (storm->ledger.violation || (storm->run->rule != RULE_NONE && !power))
        return;
    /* Whoever comes later finds what the others have left. */
    begin_random_phase(storm);
    add_writer(storm);
    for (unsigned i = 0; i < STORM_COLLECTORS; i++)
        add_collector(storm, i);
    run_phase(storm, NULL);
}

/* A writer, somebody who marks, holds or undeletes, and a collector, in all orders. */
static void run_fixed(struct storm *storm)
{
    static const uint8_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                         {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    const uint8_t *order = orders[storm->run->variant % 6];
    struct schedule_plan plan = {.kind = SCHEDULE_FIXED};

    memcpy(plan.at, storm->run->at, sizeof(storm->run->at));
    memcpy(plan.to, storm->run->to, sizeof(storm->run->to));
    schedule_begin(storm->schedule, &plan);
    for (unsigned i = 0; i < STORM_FIXED_ACTORS; i++) {
        struct storm_actor *actor = NULL;
        if (order[i] == 0) {
            actor = add_storm_actor(storm, ROLE_WRITER, storm_write);
            actor->writer.guest = actor->writer.sessions = 1;
            actor->writer.packs = 1;
        } else if (order[i] == 1) {
            actor = add_storm_actor(storm, ROLE_COLLECTOR, storm_collect);
            actor->collector.state_fd = storm->state_fds[0];
            actor->collector.runs = 3;
        } else if (storm->run->variant < 6) {
            add_storm_actor(storm, ROLE_OTHER, storm_prune_all);
        } else {
            add_storm_actor(storm, ROLE_HOLDER, storm_trash_and_hold);
        }
    }
    run_phase(storm, NULL);
}

/* Nothing disturbs any more: what is garbage goes. */
static void finish_storm(struct storm *storm)
{
    struct schedule_plan plan = {.kind = SCHEDULE_FIXED};

    ledger_check(&storm->ledger);
    if (storm->ledger.violation || storm->run->rule != RULE_NONE)
        return;
    schedule_begin(storm->schedule, &plan);
    for (unsigned i = 0; i < 2; i++) {
        struct storm_actor *actor = add_storm_actor(storm, ROLE_COLLECTOR, storm_collect);
        actor->collector.state_fd = storm->state_fds[0];
        actor->collector.runs = 4;
        actor->collector.must_end = true;
    }
    storm->fault_over = true;
    run_phase(storm, NULL);
    ledger_check_clean(&storm->ledger);
}

const char *storm_run(struct storm *storm, const struct storm_case *run, unsigned *ret_steps)
{
    storm->run = run;
    storm->chance = run->seed;
    drawn = run->seed ^ UINT64_C(0x5851f42d4c957f2d);
    storm->steps = 0;
    storm->fault = FAULT_NONE;
    storm->fault_begins = storm->fault_ends = 0;
    storm->fault_over = run->fixed;
    free(TAKE_PTR(storm->violation));
    memory_free(storm->snapshot);
    storm->snapshot = NULL;
    for (unsigned i = 0; i < STORM_COLLECTORS; i++)
        empty_folder(storm->state_fds[i]);
    memory_set_watch(storm->memory, &(struct memory_watch){0});
    memory_set_back(storm->memory, storm->base);
    memory_set_full(storm->memory, false);
    memory_set_locked(storm->memory, false);
    ledger_begin(&storm->ledger, storm->memory, &storm->repository->id);
    if (run->fixed)
        run_fixed(storm);
    else
        run_random(storm);
    finish_storm(storm);
    storm->violation = TAKE_PTR(storm->ledger.violation);
    ledger_end(&storm->ledger);
    if (ret_steps)
        *ret_steps = storm->steps;
    return storm->violation;
}
