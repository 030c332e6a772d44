/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <signal.h>

#include "base/quit.h"
#include "cli/exit_status.h"

static int status_of(enum err_kind kind, struct outcome outcome)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    if (kind != ERR_NONE)
        err_set(&err, kind, "why");
    return exit_status_of_run(&err, &outcome);
}

static void a_run_over_guests_tells_how_many_failed(void **state)
{
    (void)state;
    assert_int_equal(status_of(ERR_NONE, (struct outcome){0}), 0);
    assert_int_equal(status_of(ERR_NONE, (struct outcome){.good = 3}), 0);
    assert_int_equal(status_of(ERR_NONE, (struct outcome){.failed = 2}), 1);
    assert_int_equal(status_of(ERR_NONE, (struct outcome){.good = 1, .failed = 2}), 3);
}

static void guests_that_others_work_on_are_busy(void **state)
{
    (void)state;
    assert_int_equal(status_of(ERR_NONE, (struct outcome){.failed = 2, .busy = 2}), 6);
    assert_int_equal(status_of(ERR_NONE, (struct outcome){.failed = 2, .busy = 1}), 1);
    assert_int_equal(status_of(ERR_NONE, (struct outcome){.good = 1, .failed = 1, .busy = 1}), 3);
    assert_int_equal(
        status_of(ERR_NONE, (struct outcome){.failed = 1, .busy = 1, .stranded = true}), 5);
}

static void an_error_of_the_run_has_a_status_by_its_kind(void **state)
{
    (void)state;
    assert_int_equal(status_of(ERR_USAGE, (struct outcome){0}), 2);
    assert_int_equal(status_of(ERR_BUSY, (struct outcome){0}), 6);
    assert_int_equal(status_of(ERR_NOT_FOUND, (struct outcome){0}), 1);
    assert_int_equal(status_of(ERR_IO, (struct outcome){.good = 1}), 1);
}

static void the_gravest_counts(void **state)
{
    const struct outcome all = {
        .good = 1, .failed = 1, .damaged = true, .stranded = true, .signal = SIGINT};
    const struct outcome damaged = {.good = 1, .failed = 1, .damaged = true, .signal = SIGINT};

    (void)state;
    assert_int_equal(status_of(ERR_NONE, all), 5);
    assert_int_equal(status_of(ERR_CANCELLED, all), 5);
    assert_int_equal(status_of(ERR_NONE, damaged), 4);
    assert_int_equal(status_of(ERR_BUSY, (struct outcome){.damaged = true}), 4);
}

static void a_signal_is_told_as_a_shell_tells_it(void **state)
{
    static const int numbers[] = {SIGHUP, SIGINT, SIGTERM};
    static const int expected[] = {129, 130, 143};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const struct outcome outcome = {.good = 1, .failed = 1, .signal = numbers[i]};
        assert_int_equal(status_of(ERR_NONE, outcome), expected[i]);
        assert_int_equal(status_of(ERR_CANCELLED, outcome), expected[i]);
    }
}

static void each_status_has_a_text(void **state)
{
    (void)state;
    for (int status = STATUS_GOOD; status <= STATUS_BUSY; status++) {
        CLEANUP_FREE char *text = exit_status_text(status);
        assert_true(strlen(text) > 3);
    }
    CLEANUP_FREE char *stopped = exit_status_text(STATUS_SIGNAL + SIGTERM);
    assert_string_equal(stopped, "stopped by SIGTERM");
}

/* Last, because the signal cannot be taken back. */
static void a_cancelled_run_without_a_count_asks_which_signal_came(void **state)
{
    (void)state;
    assert_int_equal(status_of(ERR_CANCELLED, (struct outcome){0}), 1);
    assert_int_equal(quit_install(NULL), 0);
    raise(SIGTERM);
    assert_int_equal(status_of(ERR_CANCELLED, (struct outcome){0}), 143);
    /* A run that was through when the signal came is not spoiled by it. */
    assert_int_equal(status_of(ERR_NONE, (struct outcome){.good = 1}), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_over_guests_tells_how_many_failed),
        cmocka_unit_test(guests_that_others_work_on_are_busy),
        cmocka_unit_test(an_error_of_the_run_has_a_status_by_its_kind),
        cmocka_unit_test(the_gravest_counts),
        cmocka_unit_test(a_signal_is_told_as_a_shell_tells_it),
        cmocka_unit_test(each_status_has_a_text),
        cmocka_unit_test(a_cancelled_run_without_a_count_asks_which_signal_came),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
