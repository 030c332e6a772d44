/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "crowd.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../chance.h"
#include "base/dir.h"
#include "base/io.h"
#include "base/units.h"
#include "ledger.h"
#include "crowd_actors.h"

/* ---- chance ---------------------------------------------------------------------------------- */

/* Ids and names of tokens are drawn from the seed, too. */
static uint64_t drawn;

int __wrap_random_bytes(void *ret, size_t len, struct err *err);
int __wrap_random_bytes(void *ret, size_t len, struct err *err)
{
    uint8_t *bytes = ret;

    (void)err;
    /* Of the reserve, which nobody reads, the store takes no more. */
    for (size_t i = 0; i < len && i < 64; i++)
        bytes[i] = (uint8_t)chance_next(&drawn);
    return 0;
}

int __wrap_random_hex(size_t len, char *ret, struct err *err);
int __wrap_random_hex(size_t len, char *ret, struct err *err)
{
    (void)err;
    for (size_t i = 0; i < len; i++)
        snprintf(ret + 2 * i, 3, "%02x", (unsigned)(chance_next(&drawn) & 0xff));
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

static void fail_crowd(const char *what, const struct err *err)
{
    fprintf(stderr, "%s: %s\n", what, err->text);
    abort();
}

/* Two points of guest 1, of which the second builds on the first, and one of guest 2. */
static void make_base(struct crowd *crowd)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    crowd->memory = memory_new();
    if (repository_create_in(memory_open(crowd->memory, NULL), "default", &crowd->repository,
                             &err) < 0)
        fail_crowd("cannot make a repository", &err);
    for (unsigned i = 0; i < 3; i++) {
        struct crowd_actor actor = {.crowd = crowd, .repository = *crowd->repository};
        actor.writer.guest = i < 2 ? 1 : 2;
        actor.writer.sessions = 1;
        actor.writer.packs = 1;
        crowd_write(&actor);
        memory_add_time(crowd->memory, DAY_MS);
    }
    crowd->base = memory_snapshot(crowd->memory);
}

struct crowd *crowd_new(const char *state_parent)
{
    struct crowd *crowd = mem_alloc(sizeof(*crowd));

    drawn = 1;
    make_base(crowd);
    crowd->schedule = schedule_new();
    for (unsigned i = 0; i < CROWD_COLLECTORS; i++) {
        crowd->state_paths[i] = mem_printf("%s/state-%u", state_parent, i);
        CLEANUP_ERR struct err err = ERR_INIT;
        if (mkdir(crowd->state_paths[i], 0700) < 0 ||
            io_open_dir(crowd->state_paths[i], &crowd->state_fds[i], &err) < 0)
            fail_crowd("cannot make a state directory", &err);
    }
    for (unsigned i = 0; i < SCHEDULE_ACTORS; i++)
        crowd->actors[i].pack_writer = pack_writer_new(NULL);
    return crowd;
}

static void empty_folder(int fd)
{
    CLEANUP_STRINGS struct strings names = {0};

    if (dir_list(fd, ".", &names, NULL) < 0)
        abort();
    for (size_t i = 0; i < names.count; i++)
        (void)unlinkat(fd, names.items[i], 0);
}

void crowd_free(struct crowd *crowd)
{
    schedule_free(crowd->schedule);
    for (unsigned i = 0; i < CROWD_COLLECTORS; i++) {
        empty_folder(crowd->state_fds[i]);
        close(crowd->state_fds[i]);
        (void)rmdir(crowd->state_paths[i]);
        free(crowd->state_paths[i]);
    }
    for (unsigned i = 0; i < SCHEDULE_ACTORS; i++)
        pack_writer_free(crowd->actors[i].pack_writer);
    repository_close(crowd->repository);
    memory_free(crowd->memory);
    memory_free(crowd->base);
    memory_free(crowd->snapshot);
    free(crowd->violation);
    free(crowd);
}

/* ---- steps ------------------------------------------------------------------------------------ */

bool crowd_goes_on(struct crowd_actor *actor, bool more)
{
    struct crowd *crowd = actor->crowd;

    if (!crowd->schedule)
        return more;
    if (!actor->begins_again || crowd->ledger.violation)
        return more && !schedule_has_crashed(crowd->schedule, actor->number);
    actor->begins_again = false;
    schedule_revive(crowd->schedule, actor->number);
    return true;
}

int crowd_step(void *opaque, enum memory_step step, const char *name, struct err *err)
{
    static const char *const texts[] = {
        [MEMORY_CREATE] = "create", [MEMORY_REPLACE] = "replace", [MEMORY_FLUSH] = "flush",
        [MEMORY_GET] = "get",       [MEMORY_LIST] = "list",       [MEMORY_DELETE] = "delete",
        [MEMORY_SETTLE] = "settle", [MEMORY_NOW] = "now",
    };
    struct crowd_actor *actor = opaque;
    struct crowd *crowd = actor->crowd;

    if (crowd->ledger.violation) {
        crowd_crash_all(crowd);
        return err_set(err, ERR_IO, "it is over");
    }
    actor->next = step;
    size_t len = strnlen(name, sizeof(actor->next_name) - 1);
    memcpy(actor->next_name, name, len);
    actor->next_name[len] = '\0';
    crowd_stop_at(actor, step, name);
    if (schedule_step(crowd->schedule, actor->number, err) < 0)
        return -1;
    crowd_suffer(crowd);
    if (schedule_has_crashed(crowd->schedule, actor->number))
        return err_set(err, ERR_IO, "it has crashed");
    if (actor->role == ROLE_COLLECTOR && step == MEMORY_GET && name[0] == 'c')
        actor->removes = true;
    if (actor->role == ROLE_COLLECTOR && step == MEMORY_LIST && strcmp(name, "p/default/") == 0)
        actor->removes = false;
    if (step == MEMORY_DELETE && strcmp(name, "reserve") == 0)
        memory_set_full(crowd->memory, false);
    if (crowd->run->verbose)
        fprintf(stderr, "%4u %u %-8s %s\n", crowd->steps, actor->number, texts[step], name);
    return 0;
}

/* ---- a run ----------------------------------------------------------------------------------- */

struct crowd_actor *crowd_add(struct crowd *crowd, enum altered_role role,
                              void (*run)(void *opaque))
{
    unsigned number = schedule_add(crowd->schedule, run, &crowd->actors[crowd->actor_count]);
    struct crowd_actor *actor = &crowd->actors[number];
    const struct altered altered = {crowd->run->rule, role, crowd->repository->id,
                                    crowd->ledger.copies};
    const struct memory_hook hook = {crowd_step, actor};

    *actor = (struct crowd_actor){.crowd = crowd,
                                  .number = number,
                                  .role = role,
                                  .repository = *crowd->repository,
                                  .pack_writer = actor->pack_writer,
                                  .chance = chance_next(&crowd->chance)};
    actor->repository.store = altered_open(memory_open(crowd->memory, &hook), &altered);
    if (crowd->stops)
        crowd_choose_stops(actor);
    crowd->actor_count++;
    return actor;
}

static void add_writer(struct crowd *crowd)
{
    struct crowd_actor *actor = crowd_add(crowd, ROLE_WRITER, crowd_write);

    actor->writer.guest = chance_below(&crowd->chance, 4) == 0 ? 2 : 1;
    actor->writer.like = chance_below(&crowd->chance, 4) == 0 ? 3 - actor->writer.guest : 0;
    actor->writer.sessions = 1 + (unsigned)chance_below(&crowd->chance, 2);
    actor->writer.packs = (unsigned)chance_below(&crowd->chance, 3);
    /* Not from the crowd's chance: the seeds at which other rules show stay right. */
    bool only = crowd->run->rule == RULE_PART_NOT_LOOKED_AT ||
                crowd->run->rule == RULE_BASE_NOT_LOOKED_AT_AGAIN;
    uint64_t chance = crowd->run->seed + crowd->actor_count;
    if (only || (crowd->run->rule == RULE_NONE && chance_below(&chance, 2) == 0))
        actor->writer.parts = 1 + (unsigned)chance_below(&chance, 2);
}

static struct crowd_actor *add_collector(struct crowd *crowd, unsigned state)
{
    struct crowd_actor *actor = crowd_add(crowd, ROLE_COLLECTOR, crowd_collect);

    actor->collector.state_fd = crowd->state_fds[state];
    actor->collector.runs = 2 + (unsigned)chance_below(&crowd->chance, 2);
    actor->collector.silence_ms = chance_below(&crowd->chance, 3) == 0 ? DAY_MS : 0;
    return actor;
}

void crowd_play(struct crowd *crowd)
{
    schedule_run(crowd->schedule);
    for (unsigned i = 0; i < crowd->actor_count; i++)
        store_close(crowd->actors[i].repository.store);
    crowd->actor_count = 0;
}

static void begin_random_phase(struct crowd *crowd)
{
    static const unsigned switches[] = {8, 40, 128, 255};
    static const uint8_t weights[] = {0, 20, 255};
    struct schedule_plan plan = {
        .seed = chance_next(&crowd->chance), .quiet = crowd_suffer_when_quiet, .opaque = crowd};

    crowd->stops = chance_below(&crowd->chance, 3) > 0;
    plan.kind = chance_below(&crowd->chance, 2) == 0 ? SCHEDULE_CHANCE : SCHEDULE_PRIORITY;
    for (unsigned i = 0; i < SCHEDULE_CHANGES; i++)
        plan.at[i] =
            1 + (unsigned)chance_below(&crowd->chance, 100 << chance_below(&crowd->chance, 4));
    plan.switches = switches[chance_below(&crowd->chance, 4)];
    for (unsigned i = 0; i < SCHEDULE_ACTORS; i++)
        plan.weights[i] = weights[chance_below(&crowd->chance, 3)];
    schedule_begin(crowd->schedule, &plan);
}

static void run_random(struct crowd *crowd)
{
    bool small = crowd->run->rule != RULE_NONE || chance_below(&crowd->chance, 4) == 0;
    unsigned writers = 1 + (unsigned)chance_below(&crowd->chance, small ? 2 : 3);
    unsigned collectors = 1 + (unsigned)chance_below(&crowd->chance, CROWD_COLLECTORS);

    crowd_choose_fault(crowd);
    begin_random_phase(crowd);
    for (unsigned i = 0; i < writers; i++)
        add_writer(crowd);
    for (unsigned i = 0; i < collectors; i++)
        add_collector(crowd, i);
    crowd_add(crowd, ROLE_OTHER, crowd_prune);
    if (chance_next(&crowd->chance) & 1)
        crowd_add(crowd, ROLE_HOLDER, crowd_hold);
    if (chance_next(&crowd->chance) & 1)
        crowd_add(crowd, ROLE_UNDELETER, crowd_undelete);
    for (unsigned i = 0; crowd->fault == FAULT_CRASH && i < crowd->actor_count; i++)
        if (chance_next(&crowd->chance) & 1)
            schedule_crash(crowd->schedule, i, 1 + (unsigned)chance_below(&crowd->chance, 120));
    crowd_play(crowd);
    bool more = crowd->fault == FAULT_POWER ||
                (crowd->run->rule == RULE_NONE && chance_below(&crowd->chance, 2) == 0);
    if (crowd->ledger.violation || !more)
        return;
    /* Whoever comes later finds what the others have left. */
    begin_random_phase(crowd);
    add_writer(crowd);
    collectors = 1 + (unsigned)chance_below(&crowd->chance, CROWD_COLLECTORS);
    for (unsigned i = 0; i < collectors; i++)
        add_collector(crowd, i)->collector.once = true;
    if (chance_next(&crowd->chance) & 1)
        crowd_add(crowd, ROLE_OTHER, crowd_prune);
    crowd_play(crowd);
}

/* A writer, somebody who marks, holds or undeletes, and a collector, in all orders. */
static void run_fixed(struct crowd *crowd)
{
    static const uint8_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                         {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    const uint8_t *order = orders[crowd->run->variant % 6];
    struct schedule_plan plan = {.kind = SCHEDULE_FIXED};

    memcpy(plan.at, crowd->run->at, sizeof(crowd->run->at));
    memcpy(plan.to, crowd->run->to, sizeof(crowd->run->to));
    schedule_begin(crowd->schedule, &plan);
    for (unsigned i = 0; i < CROWD_FIXED_ACTORS; i++) {
        struct crowd_actor *actor = NULL;
        if (order[i] == 0) {
            actor = crowd_add(crowd, ROLE_WRITER, crowd_write);
            actor->writer.guest = actor->writer.sessions = 1;
            actor->writer.packs = 1;
        } else if (order[i] == 1) {
            actor = crowd_add(crowd, ROLE_COLLECTOR, crowd_collect);
            actor->collector.state_fd = crowd->state_fds[0];
            actor->collector.runs = 3;
            actor->collector.once = true;
        } else if (crowd->run->variant < 6) {
            crowd_add(crowd, ROLE_OTHER, crowd_prune_all);
        } else {
            crowd_add(crowd, ROLE_HOLDER, crowd_trash_and_hold);
        }
    }
    crowd_play(crowd);
}

/* Nothing disturbs any more: what is garbage goes. It takes long, so one run in four must do. */
static void finish_crowd(struct crowd *crowd)
{
    struct schedule_plan plan = {.kind = SCHEDULE_FIXED};

    ledger_check(&crowd->ledger);
    if (crowd->ledger.violation || crowd->run->rule != RULE_NONE || crowd->run->fixed ||
        (!crowd->run->chain && crowd->run->seed % 4 != 0))
        return;
    schedule_begin(crowd->schedule, &plan);
    crowd->stops = false;
    for (unsigned i = 0; i < 2; i++) {
        struct crowd_actor *actor = crowd_add(crowd, ROLE_COLLECTOR, crowd_collect);
        actor->collector.state_fd = crowd->state_fds[0];
        actor->collector.runs = 4;
        actor->collector.once = true;
        actor->collector.must_end = true;
    }
    crowd->fault_over = true;
    crowd_play(crowd);
    ledger_check_clean(&crowd->ledger);
}

const char *crowd_run(struct crowd *crowd, const struct crowd_case *run, struct crowd_result *ret)
{
    crowd->run = run;
    crowd->chance = run->seed;
    drawn = run->seed ^ UINT64_C(0x5851f42d4c957f2d);
    crowd->steps = 0;
    crowd->fault = FAULT_NONE;
    crowd->fault_begins = crowd->fault_ends = 0;
    crowd->fault_over = run->fixed || run->chain;
    crowd->fault_quiet = crowd->stops = false;
    free(TAKE_PTR(crowd->violation));
    memory_free(crowd->snapshot);
    crowd->snapshot = NULL;
    for (unsigned i = 0; i < CROWD_COLLECTORS; i++)
        empty_folder(crowd->state_fds[i]);
    memory_set_watch(crowd->memory, &(struct memory_watch){0});
    memory_set_back(crowd->memory, crowd->base);
    memory_set_full(crowd->memory, false);
    memory_set_locked(crowd->memory, false);
    ledger_begin(&crowd->ledger, crowd->memory, &crowd->repository->id);
    if (run->chain)
        crowd_chain(crowd);
    else if (run->fixed)
        run_fixed(crowd);
    else
        run_random(crowd);
    ret->steps = crowd->steps;
    ret->changes = schedule_changes(crowd->schedule);
    finish_crowd(crowd);
    crowd->violation = TAKE_PTR(crowd->ledger.violation);
    ledger_end(&crowd->ledger);
    return crowd->violation;
}
