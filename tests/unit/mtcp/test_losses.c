/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The pool when children die, chunks fail, source or sink break.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>

#include <cmocka.h>

#include "pids.h"
#include "mtcp/shared.h"
#include "pool_fixture.h"

static void kill_all(struct pool *pool)
{
    pid_t pids[8];
    size_t count = pool_pids(pool, pids, 8);

    for (size_t i = 0; i < count; i++)
        kill(pids[i], SIGKILL);
}

/* After some chunks, whichever they were: chunk 7 itself may come last. */
static void kill_once(struct image *image, uint64_t id)
{
    (void)id;
    if (image->opaque && (image->on_put ? image->puts : image->reads) >= 7) {
        kill_all(image->opaque);
        image->opaque = NULL;
    }
}

/* All were killed, but one that the others did not need may still be dying. */
static void expect_lost(const struct pool_stats *stats, unsigned children)
{
    assert_true(stats->children_lost >= 1 && stats->children_lost <= children);
}

static void survives(unsigned children, bool ordered, bool in_put, bool decode)
{
    struct image there, back;

    image_init(&there, "ddzd", 24, 9);
    there.ordered = ordered;
    CLEANUP(pool_freep) struct pool *encoding = new_pool(&there, "zstd:1", false, children);
    there.opaque = decode ? NULL : encoding;
    *(in_put ? &there.on_put : &there.on_read) = kill_once;
    struct pool_stats stats = run(&there, encoding);
    if (!decode)
        expect_lost(&stats, children);
    assert_true(image_encoded_right(&there, "zstd:1"));

    if (decode) {
        image_init(&back, "ddzd", 24, 9);
        back.ordered = ordered;
        back.results = there.stored;
        CLEANUP(pool_freep) struct pool *decoding = new_pool(&back, "zstd:1", true, children);
        back.opaque = decoding;
        *(in_put ? &back.on_put : &back.on_read) = kill_once;
        stats = run(&back, decoding);
        expect_lost(&stats, children);
        assert_true(image_decoded_right(&back));
        image_clear(&back);
    }
    image_clear(&there);
}

static void test_killed_children_are_replaced(void **state)
{
    (void)state;
    survives(3, true, false, false);
    survives(3, true, true, false);
    survives(3, false, false, false);
    survives(3, false, true, false);
    survives(2, true, true, true);
    survives(2, false, false, true);
}

static void test_the_only_child_is_replaced(void **state)
{
    (void)state;
    survives(1, true, false, false);
    survives(1, true, true, false);
    survives(1, false, true, true);
}

struct victims {
    struct pool *pool;
    pid_t pids[3];
    uint64_t next_id;
};

/* One is killed first. When its chunk is read again the others follow. */
static void kill_one_by_one(struct image *image, uint64_t id)
{
    struct victims *victims = image->opaque;

    if (id == 7 && victims->pids[0] == 0) {
        pool_pids(victims->pool, victims->pids, 3);
        kill(victims->pids[0], SIGKILL);
    }
    for (int i = 1; i < 3 && id < victims->next_id; i++) {
        if (victims->pids[i] > 0)
            kill(victims->pids[i], SIGKILL);
        victims->pids[i] = -1;
    }
    victims->next_id = id >= victims->next_id ? id + 1 : victims->next_id;
}

static void test_children_killed_one_by_one_cost_no_chunk_twice(void **state)
{
    struct victims victims = {0};
    struct image image;

    (void)state;
    image_init(&image, "d", 30, 0);
    CLEANUP(pool_freep) struct pool *pool = new_pool(&image, "zstd:1", false, 3);
    victims.pool = pool;
    image.opaque = &victims;
    image.on_read = kill_one_by_one;
    run(&image, pool);
    assert_true(image_encoded_right(&image, "zstd:1"));
    image_clear(&image);
}

static void kill_each_time(struct image *image, uint64_t id)
{
    if (id == 5)
        kill_all(image->opaque);
}

static void test_a_chunk_that_fails_twice_ends_the_run(void **state)
{
    struct image image;

    (void)state;
    image_init(&image, "d", 12, 0);
    CLEANUP(pool_freep) struct pool *pool = new_pool(&image, "none", false, 1);
    image.opaque = pool;
    image.on_read = kill_each_time;
    expect_failure(&image, pool, ERR_TRANSIENT, " (from byte ");
    image_clear(&image);

    image_init(&image, "d", 12, 0);
    CLEANUP(pool_freep) struct pool *other = new_pool(&image, "none", false, 1);
    image.opaque = other;
    image.on_read = kill_each_time;
    expect_failure(&image, other, ERR_TRANSIENT, ": killed by signal 9 (Killed)");
    /* 5 is read while the child has 4, or has just given it back: whichever of them is lost */
    assert_in_range(image.puts, 4, 5);
    assert_in_range(image.reads, 7, 10);
    image_clear(&image);
}

static void test_damaged_data_is_corrupt_with_the_childs_reason(void **state)
{
    struct image there, back;

    (void)state;
    image_init(&there, "d", 10, 0);
    CLEANUP(pool_freep) struct pool *encoding = new_pool(&there, "lzma:0", false, 2);
    run(&there, encoding);
    there.stored[4].data[there.stored[4].len / 2] ^= 0x10;
    for (unsigned unpacks = 0; unpacks < 2; unpacks++) {
        image_init(&back, "d", 10, 0);
        back.results = there.stored;
        back.name = "back";
        back.unpacks = unpacks;
        CLEANUP(pool_freep) struct pool *decoding = new_pool(&back, "lzma:0", true, 2);
        expect_failure(&back, decoding, ERR_CORRUPT,
                       unpacks ? "back: frame 5 of the 10 that it needs: child process "
                               : "back: chunk 4 (from byte 262144): child process ");
        assert_true(back.puts <= 4); /* of an ordered sink nothing behind it */
        image_clear(&back);
    }
    image_clear(&there);
}

static void test_a_chunk_of_another_length_is_not_taken(void **state)
{
    struct image there, back;

    (void)state;
    image_init(&there, "d", 2, 100);
    CLEANUP(pool_freep) struct pool *encoding = new_pool(&there, "none", false, 1);
    run(&there, encoding);
    image_init(&back, "d", 2, 101); /* the manifest says one more */
    back.results = there.stored;
    CLEANUP(pool_freep) struct pool *decoding = new_pool(&back, "none", true, 1);
    expect_failure(&back, decoding, ERR_IO, "answered with 100 bytes instead of 101");
    image_clear(&there);
    image_clear(&back);
}

static void test_errors_of_source_and_sink_end_the_run(void **state)
{
    struct image image;

    (void)state;
    image_init(&image, "d", 20, 0);
    CLEANUP(pool_freep) struct pool *first = new_pool(&image, "none", false, 2);
    image.read_error_at = 9;
    expect_failure(&image, first, ERR_NOT_FOUND, "the source is broken");
    image_clear(&image);

    image_init(&image, "d", 20, 0);
    CLEANUP(pool_freep) struct pool *second = new_pool(&image, "none", false, 2);
    image.put_error_at = 9;
    expect_failure(&image, second, ERR_NO_SPACE, "the sink is full");
    assert_int_equal(image.puts, 9);
    image_clear(&image);
}

static void kill_while_idle(struct image *image, uint64_t id)
{
    (void)id;
    /* far more than are forgiven in one go, but each after a result */
    kill_all(image->opaque);
}

static void test_a_child_lost_for_each_chunk_is_survived(void **state)
{
    struct image image;

    (void)state;
    image_init(&image, "d", 30, 0);
    CLEANUP(pool_freep) struct pool *pool = new_pool(&image, "none", false, 1);
    image.opaque = pool;
    image.on_put = kill_while_idle;
    struct pool_stats stats = run(&image, pool);
    /* the results of both areas may be put before the first death is noticed */
    assert_true(stats.children_lost >= 30 / SHARED_AREAS - 1);
    assert_true(image_encoded_right(&image, "none"));
    image_clear(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_children_are_replaced),
        cmocka_unit_test(test_the_only_child_is_replaced),
        cmocka_unit_test(test_children_killed_one_by_one_cost_no_chunk_twice),
        cmocka_unit_test(test_a_chunk_that_fails_twice_ends_the_run),
        cmocka_unit_test(test_damaged_data_is_corrupt_with_the_childs_reason),
        cmocka_unit_test(test_a_chunk_of_another_length_is_not_taken),
        cmocka_unit_test(test_errors_of_source_and_sink_end_the_run),
        cmocka_unit_test(test_a_child_lost_for_each_chunk_is_survived),
    };

    return cmocka_run_group_tests_name("mtcp losses", tests, start_spawner, end_spawner);
}
