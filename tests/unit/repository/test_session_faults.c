/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A session in a store of which each step fails once, or at which the session dies, the power fails or
 * something else happens. Whatever it is: each point that is there can be read and has its packs, a
 * point that was committed is there, and the next session succeeds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../chance.h"
#include "../store/memory_store.h"
#include "made_session.h"
#include "repository/listing.h"

/* ---- a memory in which something happens at a step ------------------------------------------- */

enum fate {
    FATE_FAILS, /* one step fails */
    FATE_DIES,  /* and all that come after it */
    FATE_MEETS, /* something happens before it */
};

struct world {
    struct memory *memory;
    struct repository *repository; /* undisturbed */
    struct repository *disturbed;
    enum fate fate;
    unsigned step; /* at which it happens; of all that the disturbed one makes */
    unsigned steps;
    void (*meet)(struct world *world);
    struct session_request request;
    uint64_t chance;
};

static int disturb(void *opaque, enum memory_step step, const char *name, struct err *err)
{
    struct world *world = opaque;
    unsigned number = world->steps++;

    (void)step;
    if (number == world->step && world->fate == FATE_MEETS)
        world->meet(world);
    else if (number == world->step || (number > world->step && world->fate == FATE_DIES))
        return err_set(err, ERR_IO, "step %u (%s) failed", number, name);
    return 0;
}

/* A new repository, whose reserve takes long to make. */
static struct memory *fresh;

static int make_fresh(void **state)
{
    struct repository *repository = NULL;

    (void)state;
    fresh = memory_new();
    if (repository_create_in(memory_open(fresh, NULL), REPOSITORY_SCOPE, &repository, NULL) < 0)
        return -1;
    repository_close(repository);
    return 0;
}

static int free_fresh(void **state)
{
    (void)state;
    memory_free(fresh);
    return 0;
}

static void world_begin(struct world *world)
{
    const struct memory_hook hook = {disturb, world};

    world->memory = memory_snapshot(fresh);
    world->step = UINT32_MAX;
    assert_int_equal(
        repository_open_in(memory_open(world->memory, NULL), NULL, &world->repository, NULL), 0);
    assert_int_equal(
        repository_open_in(memory_open(world->memory, &hook), NULL, &world->disturbed, NULL), 0);
    world->steps = 0;
    world->request = made_request(7);
}

static void world_end(struct world *world)
{
    repository_close(world->repository);
    repository_close(world->disturbed);
    memory_free(world->memory);
}

static struct stored_scope scope_of(const struct world *world)
{
    return (struct stored_scope){world->repository->store, world->repository->id, REPOSITORY_SCOPE};
}

/* ---- sessions and what they leave ------------------------------------------------------------- */

static struct id back_up_well(struct world *world)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct id id;

    if (made_session_back_up(world->repository, &world->request, &id, &err) < 0)
        fail_msg("%s", err.text);
    return id;
}

static unsigned assert_all_whole(const struct world *world)
{
    const struct stored_scope scope = scope_of(world);

    return made_session_assert_whole(&scope);
}

static bool has_point(const struct world *world, const struct id *session)
{
    const struct stored_scope scope = scope_of(world);
    const struct point_id id = {world->request.guest, *session};
    enum slot_kind kind = 0;

    assert_int_equal(objects_slot_kind(&scope, &id, &kind, NULL), 0);
    return kind == SLOT_POINT;
}

static bool keep_by_chance(void *opaque)
{
    return chance_below(opaque, 2) == 0;
}

static bool keep_nothing(void *opaque)
{
    (void)opaque;
    return false;
}

/* One session with this fate at this step, after a good one; then perhaps a power cut. False: it does
 * not come to this step. */
static bool meet_fate(enum fate fate, unsigned step, const struct memory_keeps *cut)
{
    CLEANUP(world_end) struct world world = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    struct id id = {0};

    world_begin(&world);
    struct id first = back_up_well(&world);
    world.fate = fate;
    world.step = step;
    bool committed = made_session_back_up(world.disturbed, &world.request, &id, &err) == 0;
    if (world.steps <= step)
        return false;
    if (cut)
        memory_cut(world.memory, cut);
    unsigned points = assert_all_whole(&world);
    if (!has_point(&world, &first) || (committed && !has_point(&world, &id)))
        fail_msg("step %u: a point that was committed is gone", step);
    back_up_well(&world);
    assert_int_equal(assert_all_whole(&world), points + 1);
    return true;
}

static void meet_fate_at_each_step(enum fate fate, const struct memory_keeps *cut)
{
    unsigned step = 0;

    while (meet_fate(fate, step, cut))
        step++;
    assert_true(step > 20);
}

static void any_step_may_fail(void **state)
{
    (void)state;
    meet_fate_at_each_step(FATE_FAILS, NULL);
}

static void it_may_die_at_any_step(void **state)
{
    (void)state;
    meet_fate_at_each_step(FATE_DIES, NULL);
}

/* A session that ended well, too: "fails" at a step that is the last one of giving up. */
static void the_power_may_fail_at_any_step(void **state)
{
    const struct memory_keeps nothing = {keep_nothing, NULL};
    uint64_t chance = chance_seed();
    const struct memory_keeps some = {keep_by_chance, &chance};

    (void)state;
    meet_fate_at_each_step(FATE_DIES, &nothing);
    meet_fate_at_each_step(FATE_FAILS, &nothing);
    for (int i = 0; i < 10; i++)
        meet_fate_at_each_step(FATE_DIES, &some);
}

static void what_was_committed_survives_the_power(void **state)
{
    const struct memory_keeps nothing = {keep_nothing, NULL};
    CLEANUP(world_end) struct world world = {0};

    (void)state;
    world_begin(&world);
    back_up_well(&world);
    back_up_well(&world);
    memory_cut(world.memory, &nothing);
    assert_int_equal(assert_all_whole(&world), 2);
}

/* ---- others that come between ---------------------------------------------------------------- */

/* Runs a session of which `meet` comes before each step in turn, and then judges. */
static void meet_at_each_step(void (*meet)(struct world *),
                              void (*judge)(struct world *world, const struct id *id,
                                            const struct err *err))
{
    for (unsigned step = 0;; step++) {
        CLEANUP(world_end) struct world world = {0};
        CLEANUP_ERR struct err err = ERR_INIT;
        struct id id = {0};

        world_begin(&world);
        back_up_well(&world);
        world.fate = FATE_MEETS;
        world.step = step;
        world.meet = meet;
        (void)made_session_back_up(world.disturbed, &world.request, &id, &err);
        if (world.steps <= step)
            return;
        judge(&world, &id, &err);
        assert_all_whole(&world);
    }
}

static void meet_another_session(struct world *world)
{
    back_up_well(world);
}

static void judge_two_sessions(struct world *world, const struct id *id, const struct err *err)
{
    if (err->text)
        fail_msg("step %u: %s", world->step, err->text);
    assert_true(has_point(world, id));
    assert_int_equal(assert_all_whole(world), 3);
}

static void two_sessions_of_a_guest_both_succeed(void **state)
{
    (void)state;
    meet_at_each_step(meet_another_session, judge_two_sessions);
}

/* The session that is announced and whose slot is empty, as a collector would find it; its slot. */
static char *find_open_slot(const struct world *world, struct point_id *ret)
{
    const struct stored_scope scope = scope_of(world);
    const char *name = "s/";
    struct name parts;

    while ((name = memory_next(world->memory, name)) && name[0] == 's') {
        assert_true(name_parse(name, &parts));
        *ret = (struct point_id){parts.guest, parts.session};
        CLEANUP_FREE char *slot = objects_name(&scope, NAME_SLOT, ret, 0);
        if (!memory_look(world->memory, slot).data)
            return TAKE_PTR(slot);
    }
    return NULL;
}

static void meet_a_collector(struct world *world)
{
    struct point_id open;
    CLEANUP_FREE char *slot = find_open_slot(world, &open);
    const struct slot_id id = {world->repository->id, open.session, open.guest};
    enum store_outcome outcome = STORE_EXISTS;
    uint8_t bytes[SLOT_TOMBSTONE_SIZE];
    struct store_object object = {.name = slot, .data = bytes, .len = sizeof(bytes)};

    if (!slot)
        return;
    slot_format_tombstone(SLOT_FENCED, &id, bytes);
    assert_int_equal(store_create(world->repository->store, &object, &outcome, NULL), 0);
    world->meet = NULL; /* it has met one */
}

/* If the fence is there before the session has listed the slots, it takes that for a newer point of its
 * guest, and begins again. */
static void judge_fenced(struct world *world, const struct id *id, const struct err *err)
{
    bool fenced = !world->meet && err->text;

    if (fenced ? err->kind != ERR_BUSY : err->text != NULL)
        fail_msg("step %u: %s", world->step, err->text);
    assert_int_equal(has_point(world, id), !fenced);
}

static void a_session_that_is_fenced_at_any_step_is_told(void **state)
{
    (void)state;
    meet_at_each_step(meet_a_collector, judge_fenced);
}

/* The repository is set back to what it was before the session. */
static void meet_the_past(struct world *world)
{
    struct point_id open;
    CLEANUP_FREE char *slot = find_open_slot(world, &open);
    const struct stored_scope scope = scope_of(world);
    CLEANUP_STRINGS struct strings names = {0};

    if (!slot)
        return;
    strings_take(&names, objects_name(&scope, NAME_SESSION, &open, 0));
    for (const char *name = "d/"; (name = memory_next(world->memory, name)) && name[0] == 'd';) {
        struct name parts;
        assert_true(name_parse(name, &parts));
        if (id_compare(&parts.session, &open.session) == 0)
            strings_add(&names, name);
    }
    assert_int_equal(store_delete(world->repository->store, &names, NULL), 0);
    world->meet = NULL;
}

/* From the last look at the announcement on the session commits what has lost its packs: so close to
 * the commit nobody can see it, and the next verify will. */
static void judge_set_back(struct world *world, const struct id *id, const struct err *err)
{
    const struct stored_scope scope = scope_of(world);
    CLEANUP_STRINGS struct strings lost = {0};

    if (world->meet)
        return;
    if (err->text) {
        assert_false(has_point(world, id));
        assert_int_equal(err->kind, ERR_TRANSIENT);
        return;
    }
    assert_true(world->steps - world->step <= 5);
    const struct point_id point = {world->request.guest, *id};
    strings_take(&lost, objects_name(&scope, NAME_SLOT, &point, 0));
    assert_int_equal(store_delete(world->repository->store, &lost, NULL), 0);
}

static void a_session_of_a_repository_that_is_set_back_ends(void **state)
{
    (void)state;
    meet_at_each_step(meet_the_past, judge_set_back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_step_may_fail),
        cmocka_unit_test(it_may_die_at_any_step),
        cmocka_unit_test(the_power_may_fail_at_any_step),
        cmocka_unit_test(what_was_committed_survives_the_power),
        cmocka_unit_test(two_sessions_of_a_guest_both_succeed),
        cmocka_unit_test(a_session_that_is_fenced_at_any_step_is_told),
        cmocka_unit_test(a_session_of_a_repository_that_is_set_back_ends),
    };

    return cmocka_run_group_tests(tests, make_fresh, free_fresh);
}
