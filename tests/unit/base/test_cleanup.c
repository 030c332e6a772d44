/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

static void a_handler_of_exit(void)
{
    _exit(9);
}

/* Its other threads may be using what handlers of exit() take down. */
static void a_process_without_memory_ends_on_the_spot(void **state)
{
    volatile size_t too_much = SIZE_MAX / 2;
    int status = 0;

    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        (void)atexit(a_handler_of_exit);
        close(STDERR_FILENO);
        free(mem_alloc(too_much));
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_FAILURE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_without_memory_ends_on_the_spot),
    };

    return cmocka_run_group_tests_name("cleanup", tests, NULL, NULL);
}
