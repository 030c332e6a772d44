/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Programs that neither end nor get on, and how they are told from those that are only slow.
 */
#include "unit.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "../fast_clock.h"
#include "base/buf.h"
#include "base/process.h"
#include "base/stall.h"

#define SH(script) ((const char *const[]){"sh", "-c", script, NULL})
#define LOOKS ((unsigned)(STALL_LIMIT_MS / STALL_LOOK_MS))

static int set_up(void **state)
{
    fast_clock_start(STALL_LOOK_MS);
    return scratch_setup(state);
}

static int tear_down(void **state)
{
    fast_clock_stop();
    return scratch_teardown(state);
}

/* ---- the judgement ----------------------------------------------------------------- */

/* Of a process that does nothing at all. */
static pid_t start_idle(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        raise(SIGSTOP);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
    return pid;
}

static void end_idle(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static bool look_later(struct stall *stall, uint64_t ms)
{
    fast_clock_pass(ms);
    return stall_look(stall);
}

static void ten_minutes_without_anything_are_a_stall(void **state)
{
    pid_t pid = start_idle();
    struct stall stall = stall_begin(pid);

    (void)state;
    for (unsigned i = 1; i < LOOKS; i++)
        assert_false(look_later(&stall, STALL_LOOK_MS));
    assert_true(look_later(&stall, STALL_LOOK_MS));
    end_idle(pid);
}

static void what_it_gives_is_progress(void **state)
{
    pid_t pid = start_idle();
    struct stall stall = stall_begin(pid);

    (void)state;
    for (unsigned i = 1; i < LOOKS; i++)
        assert_false(look_later(&stall, STALL_LOOK_MS));
    stall_note(&stall);
    for (unsigned i = 1; i < LOOKS; i++)
        assert_false(look_later(&stall, STALL_LOOK_MS));
    assert_true(look_later(&stall, STALL_LOOK_MS));
    end_idle(pid);
}

/* This process itself computes. */
static void cpu_time_is_progress(void **state)
{
    struct stall stall = stall_begin(getpid());

    (void)state;
    for (unsigned i = 0; i < 3 * LOOKS; i++)
        assert_false(look_later(&stall, STALL_LOOK_MS));
}

static void time_in_which_we_did_not_run_counts_little(void **state)
{
    pid_t pid = start_idle();
    struct stall stall = stall_begin(pid);

    (void)state;
    for (unsigned i = 1; i < LOOKS / 2; i++)
        assert_false(look_later(&stall, 60 * STALL_LIMIT_MS));
    assert_true(look_later(&stall, 60 * STALL_LIMIT_MS));
    end_idle(pid);
}

/* ---- programs ---------------------------------------------------------------------------- */

static void expect_stalled(int result, const struct err *err)
{
    assert_fails(result, err, ERR_IO);
    assert_int_equal(err->errnum, ETIMEDOUT);
    assert_string_equal(err->text, "sh: killed, because it made no progress for ten minutes; check "
                                   "its storage");
}

static void expect_none_left(void)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void a_program_that_hangs_is_killed(void **state)
{
    const struct scratch *scratch = *state;
    CLEANUP_ERR struct err with_output = ERR_INIT;
    CLEANUP_ERR struct err without = ERR_INIT;
    CLEANUP_ERR struct err filter = ERR_INIT;
    CLEANUP_BUF struct buf output = {0};

    expect_stalled(process_run(SH("echo one; kill -STOP $$"), &output, &with_output), &with_output);
    expect_stalled(process_run(SH("kill -STOP $$"), NULL, &without), &without);
    expect_stalled(process_filter(SH("kill -STOP $$"), -1, scratch->fd, &filter), &filter);
    expect_none_left();
}

/* It closes its output and hangs then. */
static void a_program_that_does_not_end_is_killed(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_BUF struct buf output = {0};

    (void)state;
    expect_stalled(process_run(SH("exec >&-; kill -STOP $$"), &output, &err), &err);
}

/* Longer than the limit, by the clock of this test. */
static void a_slow_program_is_waited_for(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_BUF struct buf output = {0};

    (void)state;
    if (process_run(SH("for i in $(seq 20); do sleep 0.1; echo x; done"), &output, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(output.len, 40);
}

/* Its file does not come: it is never executed. */
static bool exec_hangs;

int execvpe(const char *file, char *const argv[], char *const environment[])
{
    int (*real)(const char *, char *const[], char *const[]) =
        (int (*)(const char *, char *const[], char *const[]))dlsym(RTLD_NEXT, "execvpe");

    while (exec_hangs)
        pause();
    return real(file, argv, environment);
}

static void a_program_that_does_not_start_is_killed(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    exec_hangs = true;
    int result = process_run(SH("true"), NULL, &err);
    exec_hangs = false;
    expect_stalled(result, &err);
    expect_none_left();
}

static void programs_have_a_limit_of_cpu_time(void **state)
{
    CLEANUP_BUF struct buf output = {0};

    (void)state;
    assert_int_equal(process_run(SH("ulimit -t"), &output, NULL), 0);
    buf_put_u8(&output, 0);
    assert_string_equal((const char *)output.data, "86400\n");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ten_minutes_without_anything_are_a_stall),
        TEST(what_it_gives_is_progress),
        TEST(cpu_time_is_progress),
        TEST(time_in_which_we_did_not_run_counts_little),
        TEST(a_program_that_hangs_is_killed),
        TEST(a_program_that_does_not_end_is_killed),
        TEST(a_slow_program_is_waited_for),
        TEST(a_program_that_does_not_start_is_killed),
        TEST(programs_have_a_limit_of_cpu_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
