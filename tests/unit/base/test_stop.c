/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/stop.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* What the forked process is found to do next: 'T' stopped, else its exit status. */
static int next_of(pid_t pid)
{
    int status = 0;

    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    if (WIFSTOPPED(status))
        return 'T';
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void __attribute__((noreturn)) run_held(int report)
{
    close(STDERR_FILENO);
    stop_install();
    stop_hold("web");
    (void)raise(SIGTSTP);
    (void)raise(SIGTSTP);
    (void)!write(report, "h", 1);
    stop_release();
    _exit(stop_was_continued() && !stop_was_continued() ? 0 : 1);
}

static void a_held_guest_is_let_go_before_the_stop(void **state)
{
    int ends[2];
    char byte = 0;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0)
        run_held(ends[1]);
    assert_int_equal(next_of(pid), 'T');
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    assert_int_equal(kill(pid, SIGCONT), 0);
    assert_int_equal(next_of(pid), 0);
}

static void without_a_guest_it_stops_at_once(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        stop_install();
        (void)raise(SIGTSTP);
        _exit(0);
    }
    assert_int_equal(next_of(pid), 'T');
    assert_int_equal(kill(pid, SIGCONT), 0);
    assert_int_equal(next_of(pid), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_held_guest_is_let_go_before_the_stop),
        cmocka_unit_test(without_a_guest_it_stops_at_once),
    };

    return cmocka_run_group_tests_name("stop", tests, NULL, NULL);
}
