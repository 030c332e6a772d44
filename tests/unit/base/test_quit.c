/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <poll.h>
#include <signal.h>

#include "base/quit.h"

/* The flag cannot be taken back, so the story is told in one go. */
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
    raise(SIGINT);
    assert_int_equal(quit_requested(), SIGTERM);
    assert_int_equal(poll(&poll_fd, 1, 0), 1);
    assert_fails(quit_check(&err), &err, ERR_CANCELLED);
    assert_string_equal(err.text, "stopped by SIGTERM");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_signal_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
