/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The pool when somebody stops children and never lets them go on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <string.h>

#include <cmocka.h>

#include "pids.h"
#include "../fast_clock.h"
#include "pool_fixture.h"

/* As long as the pool waits for news. */
#define POLL_MS 200

struct stopper {
    struct pool *pool;
    unsigned times; /* that all children are still to be stopped */
};

static void stop_all(struct image *image, uint64_t id)
{
    struct stopper *stopper = image->opaque;
    pid_t pids[8];

    if (id < 7 || stopper->times == 0)
        return;
    stopper->times--;
    size_t count = pool_pids(stopper->pool, pids, 8);
    for (size_t i = 0; i < count; i++)
        kill(pids[i], SIGSTOP);
}

static void stopped_children_are_replaced(void **state)
{
    struct stopper stopper = {.times = 1};
    struct image image;

    (void)state;
    image_init(&image, "d", 24, 0);
    CLEANUP(pool_freep) struct pool *pool = new_pool(&image, "zstd:1", false, 2);
    stopper.pool = pool;
    image.opaque = &stopper;
    image.on_read = stop_all;
    fast_clock_start(POLL_MS);
    struct pool_stats stats = run(&image, pool);
    fast_clock_stop();
    assert_in_range(stats.children_lost, 1, 2);
    assert_true(image_encoded_right(&image, "zstd:1"));
    image_clear(&image);
}

static void a_chunk_whose_children_are_stopped_time_and_again_fails(void **state)
{
    struct stopper stopper = {.times = 1000};
    struct image image;

    (void)state;
    image_init(&image, "d", 24, 0);
    CLEANUP(pool_freep) struct pool *pool = new_pool(&image, "none", false, 1);
    stopper.pool = pool;
    image.opaque = &stopper;
    image.on_read = stop_all;
    fast_clock_start(POLL_MS);
    expect_failure(&image, pool, ERR_IO, "it made no progress for ten minutes");
    fast_clock_stop();
    image_clear(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stopped_children_are_replaced),
        cmocka_unit_test(a_chunk_whose_children_are_stopped_time_and_again_fails),
    };

    return cmocka_run_group_tests_name("mtcp stalled", tests, start_spawner, end_spawner);
}
