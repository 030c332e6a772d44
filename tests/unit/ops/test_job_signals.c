/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Jobs: what a signal ends, and what it does not end.
 */
#include "job_world.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/quit.h"
#include "base/stall.h"

static pid_t start_job(struct job_world *world)
{
    pid_t pid = fork();

    if (pid == 0) {
        if (quit_install(NULL) < 0 || job_world_run(world) < 0)
            _exit(99);
        _exit(world->outcome.signal);
    }
    return pid;
}

static int end_of_job(pid_t pid)
{
    int status = -1;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* What the log has when a job that has got this far gets a signal, and what it exits with. */
static int run_and_signal(struct job_world *world, const char *when, unsigned times)
{
    pid_t pid = start_job(world);

    for (unsigned waited = 0; waited < 600; waited++) {
        CLEANUP_FREE char *log = job_world_log(world);
        if (strstr(log, when))
            break;
        poll(NULL, 0, 50);
    }
    for (unsigned i = 0; i < times; i++) {
        assert_int_equal(kill(pid, SIGTERM), 0);
        poll(NULL, 0, 300);
    }
    return end_of_job(pid);
}

#define PUTS_BACK                                                                                  \
    "trap 'sleep 0.3; echo put back $guest >> \"$JOB_WORLD/log\"; exit 143' TERM\n" NOTE(          \
        "waits $guest") "\n"                                                                       \
                        "while :; do sleep 0.05; done\n"

static void a_signal_is_passed_on_and_what_is_undone_is_awaited(void **state)
{
    struct job_world *world = *state;

    job_world_script(world, "backup-b", PUTS_BACK);
    job_world_hook(&GUEST_B.hooks.after, NOTE("after"));
    assert_int_equal(run_and_signal(world, "waits b\n", 1), SIGTERM);
    expect_log(world, "+a", "backup b\n", "put back b\n", "after\n", "kept backup b 143",
               "not tried c\n", "prune left\n", "verify left\n", "collect left\n",
               "kept run - 143 ", "done 1 of 3, 1 failed, 0 left, 1 not tried");
    job_world_expect_not(world, "backup c\n");
}

static void each_of_several_steps_gets_the_signal(void **state)
{
    struct job_world *world = *state;

    world->plan.parallel = 2;
    job_world_script(world, "backup-a", PUTS_BACK);
    job_world_script(
        world, "backup-b",
        "while ! grep -q 'waits a' \"$JOB_WORLD/log\"; do sleep 0.05; done\n" PUTS_BACK);
    assert_int_equal(run_and_signal(world, "waits b\n", 1), SIGTERM);
    expect_log(world, "put back a\n");
    expect_log(world, "put back b\n");
    expect_log(world, "not tried c\n", "done 0 of 3, 2 failed, 0 left, 1 not tried");
}

static void a_step_that_never_ends_gets_a_second_signal(void **state)
{
    struct job_world *world = *state;

    job_world_script(world, "backup-a",
                     "first=1; trap 'test $first || exit 1; first=' TERM\n" NOTE(
                         "waits a") "\n"
                                    "while :; do sleep 0.05; done\n");
    assert_int_equal(run_and_signal(world, "waits a\n", 2), SIGTERM);
    expect_log(world, "waits a\n", "kept backup a 1 ", "not tried b\n", "not tried c\n");
}

static void a_signal_while_a_before_hook_runs_begins_nothing(void **state)
{
    struct job_world *world = *state;

    job_world_hook(&GUEST_A.hooks.before, NOTE("hook waits") "; sleep 60");
    job_world_hook(&GUEST_A.hooks.after, NOTE("after:$VIRT_BACKUP_STATUS:$VIRT_BACKUP_REASON"));
    assert_int_equal(run_and_signal(world, "hook waits\n", 1), SIGTERM);
    expect_log(world, "after:143:not backed up, because a signal came first\n", "not tried a\n",
               "not tried b\n", "not tried c\n");
    job_world_expect_not(world, "backup a\n");
    job_world_expect_not(world, "-guest");
}

/* It undoes what the before hook has done. */
static void a_signal_does_not_end_an_after_hook(void **state)
{
    struct job_world *world = *state;

    job_world_hook(&GUEST_A.hooks.after, NOTE("hook waits") "; sleep 1; " NOTE("after is done"));
    assert_int_equal(run_and_signal(world, "hook waits\n", 1), SIGTERM);
    expect_log(world, "backup a\n", "hook waits\n", "after is done\n", "+a", "not tried b\n");
    job_world_expect_not(world, "trouble");
}

static volatile sig_atomic_t lease_is_broken;

static void note_broken_lease(int number)
{
    (void)number;
    lease_is_broken = 1;
}

/* Its program is on storage that answers late: whoever has a lease on a file keeps others from it. */
static void a_signal_does_not_end_an_after_hook_that_starts(void **state)
{
    struct job_world *world = *state;

    scratch_write(world->scratch, "slow", "#!/bin/sh\n" NOTE("after is done") "\n");
    assert_int_equal(fchmodat(world->scratch->fd, "slow", 0700, 0), 0);
    strings_take(&GUEST_A.hooks.after, mem_printf("%s/slow", world->scratch->path));
    CLEANUP_CLOSE int slow = openat(world->scratch->fd, "slow", O_RDONLY | O_CLOEXEC);
    assert_true(signal(SIGIO, note_broken_lease) != SIG_ERR);
    if (fcntl(slow, F_SETLEASE, F_WRLCK) < 0)
        skip();
    pid_t pid = start_job(world);
    for (unsigned waited = 0; waited < 600 && !lease_is_broken; waited++)
        poll(NULL, 0, 50);
    assert_true(lease_is_broken);
    assert_int_equal(kill(pid, SIGTERM), 0);
    poll(NULL, 0, 2 * STALL_LOOK_MS);
    assert_int_equal(fcntl(slow, F_SETLEASE, F_UNLCK), 0);
    assert_int_equal(end_of_job(pid), SIGTERM);
    expect_log(world, "backup a\n", "after is done\n", "+a", "not tried b\n");
    job_world_expect_not(world, "trouble");
}

static void a_signal_ends_the_stagger(void **state)
{
    struct job_world *world = *state;

    world->plan.stagger_s = 4000000; /* as good as certainly more than a minute */
    assert_int_equal(run_and_signal(world, "delayed\n", 1), SIGTERM);
    expect_log(world, "delayed\n", "not tried a\n", "not tried b\n", "not tried c\n");
    job_world_expect_not(world, "backup");
}

int main(void)
{
#define JOB_TEST(test) cmocka_unit_test_setup_teardown(test, job_world_setup, job_world_teardown)
    const struct CMUnitTest tests[] = {
        JOB_TEST(a_signal_is_passed_on_and_what_is_undone_is_awaited),
        JOB_TEST(each_of_several_steps_gets_the_signal),
        JOB_TEST(a_step_that_never_ends_gets_a_second_signal),
        JOB_TEST(a_signal_while_a_before_hook_runs_begins_nothing),
        JOB_TEST(a_signal_does_not_end_an_after_hook),
        JOB_TEST(a_signal_does_not_end_an_after_hook_that_starts),
        JOB_TEST(a_signal_ends_the_stagger),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
