/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "repository/frame_plan.h"
#include "small_backup.h"

#define FRAME ((uint64_t)LIMITS_FRAME_BLOCKS * LIMITS_BLOCK)

/* Of each frame that is decoded, what the steps say, and what comes to pass. */
struct told {
    uint64_t wanted;
    uint64_t kept;
    uint64_t in_first;
    uint64_t in_later;
    bool last;
};

struct plan_world {
    struct small_backup backup;
    struct stored_point *point;
    struct pack_indexes *indexes;
    struct frame_uses uses;
    struct told told[256];
    unsigned count;
    unsigned in_slot[FRAME_PLAN_SLOTS];
};

static uint64_t bits(uint32_t first, uint32_t count)
{
    uint64_t all = 0;

    for (uint32_t i = first; i < first + count; i++)
        all |= UINT64_C(1) << i;
    return all;
}

/* A point of an image whose frames are given by their blocks, and of one that has these blocks as `from`
 * says, in this order. */
static void begin_plan(struct plan_world *world, unsigned frames, const uint32_t *from,
                       size_t count)
{
    CLEANUP_FREE uint8_t *data = malloc(frames * FRAME), *dealt = malloc(count * LIMITS_BLOCK);
    struct small_image image = {0, data, frames * FRAME};

    memset(world, 0, sizeof(*world));
    small_backup_begin(&world->backup, "zstd:1");
    for (uint64_t at = 0; at < image.size; at += 1024)
        set_be64(memset(data + at, 'x', 1024), at + 1);
    for (size_t i = 0; i < count; i++)
        memcpy(dealt + i * LIMITS_BLOCK, data + (size_t)from[i] * LIMITS_BLOCK, LIMITS_BLOCK);
    small_backup_take(&world->backup, &image, 1);
    image = (struct small_image){0, dealt, count * LIMITS_BLOCK};
    struct point_id id = small_backup_take(&world->backup, &image, 1);
    assert_int_equal(stored_point_read(&world->backup.scope, &id, &world->point, NULL), 0);
    world->indexes = pack_indexes_new(&world->backup.scope, world->point);
}

static void end_plan(struct plan_world *world)
{
    frame_uses_clear(&world->uses);
    pack_indexes_free(world->indexes);
    stored_point_free(world->point);
    small_backup_end(&world->backup);
}

static void note_step(struct plan_world *world, const struct frame_plan_step *step)
{
    if (step->kind == FRAME_PLAN_DECODE) {
        world->told[world->count] = (struct told){.wanted = step->wanted, .kept = step->kept};
        if (step->slot != FRAME_PLAN_PASSING)
            world->in_slot[step->slot] = world->count;
        world->count++;
        return;
    }
    struct told *told = step->slot == FRAME_PLAN_PASSING ? &world->told[world->count - 1]
                                                         : &world->told[world->in_slot[step->slot]];
    assert_false(told->last);
    *(told->in_first ? &told->in_later : &told->in_first) |= bits(step->first, step->count);
    told->last = step->last;
}

static void walk_plan(struct plan_world *world)
{
    CLEANUP(frame_plan_freep)
    struct frame_plan *plan = frame_plan_new(world->indexes, world->point,
                                             stored_point_image(world->point, 0), &world->uses);
    struct frame_plan_step step;
    int more;

    world->count = 0;
    while ((more = frame_plan_next(plan, &step, NULL)) > 0)
        note_step(world, &step);
    assert_int_equal(more, 0);
}

/* The first walk cannot know; those after it say what comes. */
static void uses_come_to_pass(struct plan_world *world, unsigned decodes)
{
    walk_plan(world);
    assert_int_equal(world->count, decodes);
    for (unsigned i = 0; i < decodes; i++) {
        assert_int_equal(world->told[i].wanted, bits(0, LIMITS_FRAME_BLOCKS));
        assert_false(world->told[i].last);
    }
    for (unsigned again = 0; again < 2; again++) {
        walk_plan(world);
        assert_int_equal(world->count, decodes);
        for (unsigned i = 0; i < decodes; i++) {
            const struct told *told = &world->told[i];
            if (told->in_first == bits(0, LIMITS_FRAME_BLOCKS))
                continue; /* whole */
            assert_int_equal(told->wanted, told->in_first | told->in_later);
            assert_int_equal(told->kept, told->in_later);
            assert_int_equal(told->last, told->in_later != 0);
        }
    }
}

static void what_is_used_of_a_frame_is_told(void **state)
{
    static const uint32_t from[] = {
        3,  4,  5,              /* of frame 0, once */
        17, 40, 18, 41, 18, 31, /* of 1 and 2, some of it later, a block twice */
        48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, /* all of 3 */
        16, 43, 44, 45,
    };
    CLEANUP(end_plan) struct plan_world world;

    (void)state;
    begin_plan(&world, 4, from, sizeof(from) / sizeof(*from));
    uses_come_to_pass(&world, 4);
    assert_int_equal(world.told[0].wanted, bits(3, 3));
    assert_int_equal(world.told[0].kept, 0);
    assert_int_equal(world.told[1].wanted, bits(0, 3) | bits(15, 1));
    assert_int_equal(world.told[1].kept, bits(0, 1) | bits(2, 1) | bits(15, 1));
    assert_int_equal(world.told[2].kept, bits(9, 1) | bits(11, 3));
}

/* A frame for which there was no room any more begins anew. */
static void each_time_that_a_frame_is_decoded_counts_alone(void **state)
{
    enum { FRAMES = 65 };
    uint32_t from[2 * FRAMES];
    CLEANUP(end_plan) struct plan_world world;

    (void)state;
    for (uint32_t i = 0; i < 2 * FRAMES; i++)
        from[i] = i % FRAMES * LIMITS_FRAME_BLOCKS + i / FRAMES;
    begin_plan(&world, FRAMES, from, 2 * FRAMES);
    uses_come_to_pass(&world, 2 * FRAMES);
    for (unsigned i = 0; i < 2 * FRAMES; i++)
        assert_int_equal(world.told[i].wanted, bits(i / FRAMES, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_used_of_a_frame_is_told),
        cmocka_unit_test(each_time_that_a_frame_is_decoded_counts_alone),
    };

    return cmocka_run_group_tests_name("repository frame_plan", tests, NULL, NULL);
}
