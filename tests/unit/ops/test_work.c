/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The bandwidth limit, and the account of where the time went.
 */
#include "ops/transfer/work.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>

#include "base/quit.h"
#include "base/units.h"
#include "ops/transfer/limit.h"

#include <cmocka.h>

/* ---- limit ----------------------------------------------------------------------- */

static void no_limit_never_waits(void **state)
{
    struct limit limit = {0};
    uint64_t start = units_now_ms();

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(limit_take(&limit, UINT64_MAX, NULL), 0);
    assert_true(units_now_ms() - start < 1000);
}

/* The clock can only say that too little time went by: a busy host takes longer. */
static void reading_takes_as_long_as_the_limit_says(void **state)
{
    struct limit limit = {.rates.rate = 10 * MIB};
    uint64_t start = units_now_ms();

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(limit_take(&limit, MIB, NULL), 0);
    /* the first waits for nothing, four for 100 ms each, and 100 ms are in the bucket */
    assert_true(units_now_ms() - start >= 295);
}

static void idle_time_is_not_saved_up(void **state)
{
    struct limit limit = {.rates.rate = 10 * MIB};

    (void)state;
    assert_int_equal(limit_take(&limit, 1, NULL), 0);
    limit.due_ns -= UINT64_C(10000000000); /* as if ten seconds had gone by */
    uint64_t start = units_now_ms();
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(limit_take(&limit, MIB, NULL), 0);
    assert_true(units_now_ms() - start >= 295);
}

static void huge_figures_do_not_wrap(void **state)
{
    struct limit slow = {.rates.rate = 1};
    struct limit fast = {.rates.rate = UINT64_MAX};

    (void)state;
    assert_int_equal(limit_take(&slow, UINT64_MAX, NULL), 0);
    assert_true(slow.due_ns > UINT64_C(4000000000) * 1000000000);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(limit_take(&fast, UINT64_C(1) << 40, NULL), 0);
}

static void a_signal_ends_the_wait(void **state)
{
    struct limit limit = {.rates.rate = 1};
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(quit_install(NULL), 0);
    assert_int_equal(limit_take(&limit, UINT64_C(1) << 30, NULL), 0);
    raise(SIGTERM);
    assert_int_equal(limit_take(&limit, 1, &err), -1);
    assert_int_equal(err.kind, ERR_CANCELLED);
}

/* ---- work ------------------------------------------------------------------------ */

struct heard {
    unsigned events;
    struct event_bottleneck bottleneck;
};

static void on_event(void *opaque, const struct event *event)
{
    struct heard *heard = opaque;

    heard->events++;
    assert_int_equal(event->kind, EVENT_BOTTLENECK);
    heard->bottleneck = event->bottleneck;
}

static void shares_and_efficiency_come_out(void **state)
{
    struct heard heard = {0};
    struct report report = {.opaque = &heard, .event = on_event};
    struct work work = {0};
    const struct pool_stats stats = {
        .wait_source_ms = 100,
        .wait_sink_ms = 50,
        .wait_children_ms = 350,
        .elapsed_ms = 550,
        .children_cpu_ms = 990,
    };

    (void)state;
    work_add(&work, &stats, 3, 2); /* three children never have more than two CPUs */
    work_add(&work, &stats, 3, 2);
    work_tell(&work, &report);
    assert_int_equal(heard.events, 1);
    assert_int_equal(heard.bottleneck.bound, BOUND_CHILDREN);
    assert_int_equal(heard.bottleneck.reading, 20);
    assert_int_equal(heard.bottleneck.children, 70);
    assert_int_equal(heard.bottleneck.writing, 10);
    assert_int_equal(heard.bottleneck.children_cpu_ms, 1980);
    assert_int_equal(heard.bottleneck.efficiency, 90);
}

static void without_work_nothing_is_told(void **state)
{
    struct heard heard = {0};
    struct report report = {.opaque = &heard, .event = on_event};
    struct work work = {0};

    (void)state;
    work_tell(&work, &report);
    assert_int_equal(heard.events, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_limit_never_waits),
        cmocka_unit_test(reading_takes_as_long_as_the_limit_says),
        cmocka_unit_test(idle_time_is_not_saved_up),
        cmocka_unit_test(huge_figures_do_not_wrap),
        cmocka_unit_test(shares_and_efficiency_come_out),
        cmocka_unit_test(without_work_nothing_is_told),
        cmocka_unit_test(a_signal_ends_the_wait), /* last: the signal stays noted */
    };

    return cmocka_run_group_tests_name("ops work", tests, NULL, NULL);
}
