/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <poll.h>
#include <signal.h>

#include "base/process.h"
#include "base/quit.h"

#define SH(script) ((const char *const[]){"sh", "-c", script, NULL})

/* The flag cannot be taken back, so the tests are one story. */
static void the_first_signal_is_kept(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(quit_fd(), -1);
    signal(SIGHUP, SIG_IGN); /* as under nohup */
    assert_int_equal(quit_install(NULL), 0);
    struct pollfd poll_fd = {.fd = quit_fd(), .events = POLLIN};

    raise(SIGHUP);
    raise(SIGPIPE);
    assert_int_equal(quit_requested(), 0);
    assert_int_equal(quit_check(&err), 0);
    assert_int_equal(poll(&poll_fd, 1, 0), 0);

    raise(SIGTERM);
    assert_int_equal(quit_requested(), SIGTERM);
    assert_false(quit_insisted());
    assert_int_equal(poll(&poll_fd, 1, 0), 1);
    assert_fails(quit_check(&err), &err, ERR_CANCELLED);
    assert_string_equal(err.text, "stopped by SIGTERM");
}

static void defer_within(void)
{
    QUIT_DEFERRED();

    assert_int_equal(quit_check(NULL), 0);
}

static void what_is_undone_is_not_ended_by_that(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    {
        QUIT_DEFERRED();
        struct pollfd poll_fd = {.fd = quit_fd(), .events = POLLIN};
        assert_true(quit_is_deferred());
        assert_int_equal(quit_check(NULL), 0);
        assert_int_equal(poll(&poll_fd, 1, 0), 0);
        assert_int_equal(process_run(SH("sleep 0.2"), NULL, NULL), 0);
        defer_within();
        assert_int_equal(quit_check(NULL), 0);
        struct pollfd first = {.fd = quit_signal_fd(), .events = POLLIN};
        assert_int_equal(poll(&first, 1, 0), 1);
    }
    assert_false(quit_is_deferred());
    assert_fails(process_run(SH("sleep 60"), NULL, &err), &err, ERR_CANCELLED);
}

/* A program that has something left to do gets to its end; one that hangs is killed. */
static void a_second_signal_ends_it_after_a_while(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    QUIT_DEFERRED();
    struct pollfd poll_fd = {.fd = quit_fd(), .events = POLLIN};
    raise(SIGINT);
    assert_true(quit_insisted());
    assert_int_equal(quit_requested(), SIGTERM);
    assert_int_equal(process_run(SH("sleep 0.2"), NULL, NULL), 0);
    assert_fails(process_run(SH("sleep 60"), NULL, &err), &err, ERR_CANCELLED);
    assert_string_equal(err.text, "sh: stopped by a second signal");
    assert_int_equal(poll(&poll_fd, 1, 0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_signal_is_kept),
        cmocka_unit_test(what_is_undone_is_not_ended_by_that),
        cmocka_unit_test(a_second_signal_ends_it_after_a_while),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
