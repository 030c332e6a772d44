/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Jobs: what each way in which a step or a hook can fail costs, and whom.
 */
#include "job_world.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/cleanup.h"
#include "ops/job/hook.h"

/* ---- steps ------------------------------------------------------------------------------------ */

static void all_is_well(void **state)
{
    struct job_world *world = *state;

    assert_int_equal(job_world_run(world), 0);
    expect_log(world, "list\n", "backup a\n", "kept backup a 0 good\n", "+a point-of-a 300 20\n",
               "backup b\n", "+b ", "backup c\n", "+c ", "prune a\n", "prune b\n", "prune c\n",
               "verify\n", "kept verify - 0 good\n", "collect\n", "kept run - 0 good\n",
               "done 3 of 3, 0 failed, 0 left, 0 not tried, 60 stored\n");
    assert_int_equal(world->outcome.good, 3);
    assert_int_equal(world->outcome.failed, 0);
}

/* Guest b fails in this way: the others are backed up and pruned, it is not. */
static void b_fails(struct job_world *world, const char *lines, const char *reason, int status)
{
    CLEANUP_FREE char *told = mem_printf("-guest 'b': %s", reason);
    CLEANUP_FREE char *kept = mem_printf("kept backup b %d ", status);

    job_world_script(world, "backup-b", lines);
    assert_int_equal(job_world_run(world), 0);
    expect_log(world, "backup b\n", kept, reason, told, "backup c\n", "+c ", "prune a\n",
               "not pruned b\n", "prune c\n", "verify\n", "collect\n",
               "done 2 of 3, 1 failed, 0 left, 0 not tried, ");
    job_world_expect_not(world, "prune b");
    job_world_expect_not(world, "+b");
    assert_int_equal(world->outcome.good, 2);
    assert_int_equal(world->outcome.failed, 1);
}

static void a_step_that_tells_its_error(void **state)
{
    b_fails(*state,
            "echo '{\"event\":\"guest-failed\",\"guest\":\"b\",\"kind\":\"no-space\","
            "\"error\":\"guest '\"'b'\"': the disk is full\"}'; exit 1\n",
            "the disk is full", 1);
    expect_log(*state, "(told) -guest 'b': the disk is full\n");
}

static void a_step_that_is_killed(void **state)
{
    b_fails(*state, "kill -9 $$\n", "killed by signal 9 (Killed)\n", 137);
    job_world_expect_not(*state, "(told)");
}

static void a_step_that_is_killed_after_its_point(void **state)
{
    b_fails(*state, "echo '{\"event\":\"guest-done\",\"point\":\"x\"}'; kill -11 $$\n",
            "killed by signal 11 (Segmentation fault)\n", 139);
}

static void a_step_that_writes_garbage(void **state)
{
    b_fails(*state, "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo '[1]'; exit 0\n",
            "its output is not JSON\n", 1);
}

static void a_step_that_writes_nothing(void **state)
{
    b_fails(*state, "exit 0\n", "it ended without saying what it had done\n", 1);
}

static void a_step_that_makes_no_point(void **state)
{
    b_fails(*state, "echo '{\"event\":\"summary\"}'; exit 0\n",
            "the backup reported success, but made no point\n", 1);
}

static void a_step_that_fails_without_a_word(void **state)
{
    b_fails(*state, "exit 77\n", "exit status 77\n", 77);
}

static void statuses_of_steps_are_counted(void **state)
{
    struct job_world *world = *state;

    job_world_script(world, "backup-a", "exit 6\n");
    job_world_script(world, "backup-b", "exit 5\n");
    job_world_script(world, "verify", "exit 4\n");
    job_world_script(world, "collect", "exit 1\n");
    assert_int_equal(job_world_run(world), 0);
    assert_int_equal(world->outcome.good, 1);
    assert_int_equal(world->outcome.failed, 4);
    assert_int_equal(world->outcome.busy, 1);
    assert_true(world->outcome.stranded);
    assert_true(world->outcome.damaged);
    expect_log(
        world, "kept verify - 4 ", "verify failed: exit status 4", "kept collect - 1 ",
        "kept run - 5 2 of 3 guests failed: a: exit status 6; verify failed; collect failed");
}

static void a_program_that_cannot_be_run(void **state)
{
    struct job_world *world = *state;

    assert_int_equal(fchmodat(world->scratch->fd, "program", 0600, 0), 0);
    assert_int_equal(job_world_run(world), 0);
    expect_log(world, "-guest 'a': virt-backup: cannot run it: Permission denied\n", "-guest 'b'",
               "-guest 'c'", "done 0 of 3, 3 failed");
    assert_int_equal(world->outcome.good, 0);
}

/* A guardian has the pipe until the guest of a killed run is put back. */
static void the_guardian_of_a_killed_step_is_awaited(void **state)
{
    struct job_world *world = *state;

    job_world_script(world, "backup-b",
                     "(sleep 0.5; echo put back >> \"$JOB_WORLD/log\") & kill -9 $$\n");
    assert_int_equal(job_world_run(world), 0);
    expect_log(world, "backup b\n", "put back\n", "kept backup b 137", "backup c\n");
}

/* But not what a step that has ended well has left. */
static void a_process_that_outlives_its_step_is_not_awaited(void **state)
{
    struct job_world *world = *state;
    time_t begun = time(NULL);

    job_world_script(world, "backup-b", "sleep 12 2>/dev/null &\n");
    assert_int_equal(job_world_run(world), 0);
    assert_int_equal(world->outcome.good, 3);
    assert_true(time(NULL) - begun < 8);
}

/* ---- hooks --------------------------------------------------------------------------------------- */

static void hooks_come_in_their_order(void **state)
{
    struct job_world *world = *state;

    job_world_hook(&GUEST_A.hooks.before, NOTE("before $VIRT_BACKUP_GUEST"));
    job_world_hook(&GUEST_A.hooks.after, NOTE("after $VIRT_BACKUP_POINT:$VIRT_BACKUP_STATUS"));
    job_world_hook(&GUEST_A.hooks.failed, NOTE("failed"));
    job_world_hook(&world->plan.hooks.before, NOTE("job before $VIRT_BACKUP_JOB"));
    job_world_hook(&world->plan.hooks.after, NOTE("job after") "; cat >> \"$JOB_WORLD/log\"");
    job_world_hook(&world->plan.hooks.failed, NOTE("job failed"));
    assert_int_equal(job_world_run(world), 0);
    expect_log(world, "job before nightly\n", "before a\n", "backup a\n", "after point-of-a:0\n",
               "+a", "collect\n", "job after\n", "{\"event\":\"after\",\"job\":\"nightly\"",
               "\"guests\":[{\"guest\":\"a\",\"uuid\":\"uuid-of-a\",\"result\":\"good\"");
    job_world_expect_not(world, "failed\n");
}

static void a_failing_before_hook_skips_the_guest(void **state)
{
    struct job_world *world = *state;

    job_world_hook(&GUEST_A.hooks.before, "exit 3");
    job_world_hook(&GUEST_A.hooks.after, NOTE("after"));
    job_world_hook(&GUEST_A.hooks.failed, NOTE("failed $VIRT_BACKUP_REASON"));
    assert_int_equal(job_world_run(world), 0);
    expect_log(world, "after\n",
               "failed hook 'before': sh: exit status 3; the guest is not backed up\n",
               "kept backup a 1 hook 'before'", "-guest 'a': hook 'before': sh: exit status 3",
               "backup b\n", "not pruned a\n");
    job_world_expect_not(world, "backup a\n");
    assert_int_equal(world->outcome.good, 2);
    assert_int_equal(world->outcome.failed, 1);
}

static void the_failed_hook_gets_the_reason(void **state)
{
    struct job_world *world = *state;

    job_world_script(world, "backup-b", "exit 9\n");
    job_world_hook(&GUEST_B.hooks.failed, "cat >> \"$JOB_WORLD/log\"");
    job_world_hook(&world->plan.hooks.failed, NOTE("job: $VIRT_BACKUP_REASON"));
    assert_int_equal(job_world_run(world), 0);
    expect_log(world, "{\"event\":\"failed\"", "\"guest\":\"b\"", "\"status\":9",
               "\"reason\":\"exit status 9\"", "job: 1 of 3 guests failed: b: exit status 9\n");
}

static void hooks_after_the_work_only_warn(void **state)
{
    struct job_world *world = *state;

    job_world_hook(&GUEST_A.hooks.after, "exit 1");
    strings_add(&world->plan.hooks.after, "/no/such/program");
    assert_int_equal(job_world_run(world), 0);
    expect_log(world, "trouble 3 a: hook 'after': sh: exit status 1\n", "+a",
               "trouble 3 : hook 'after': /no/such/program: cannot run it: No such file");
    assert_int_equal(world->outcome.good, 3);
    assert_int_equal(world->outcome.failed, 0);
}

/* It ignores SIGTERM, and so does what it waits for. */
static void a_hook_that_hangs_is_killed(void **state)
{
    struct job_world *world = *state;
    time_t begun = time(NULL);

    job_world_hook(&GUEST_A.hooks.before, "trap '' TERM; sleep 60; sleep 60");
    GUEST_A.hooks.limit_s = 1;
    assert_int_equal(job_world_run(world), 0);
    expect_log(world, "-guest 'a': hook 'before': sh: stopped, because it took more than 1 s");
    assert_true(time(NULL) - begun < 30);
    assert_int_equal(world->outcome.good, 2);
}

/* It ends at SIGTERM, but what it has started does not, and has a pipe as long as it lives. */
static void what_a_hook_has_started_is_killed_too(void **state)
{
    struct job_world *world = *state;

    assert_int_equal(mkfifoat(world->scratch->fd, "alive", 0600), 0);
    CLEANUP_CLOSE int alive =
        openat(world->scratch->fd, "alive", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(alive >= 0);
    job_world_hook(&GUEST_A.hooks.before,
                   "(trap '' TERM; exec 9> \"$JOB_WORLD/alive\"; sleep 60; sleep 60) & wait");
    GUEST_A.hooks.limit_s = 1;
    assert_int_equal(job_world_run(world), 0);
    struct pollfd ended = {.fd = alive};
    assert_int_equal(poll(&ended, 1, 10000), 1);
    assert_int_equal(ended.revents, POLLHUP);
    expect_log(world, "-guest 'a': hook 'before': sh: stopped, because it took more than 1 s");
}

static void a_failing_before_hook_of_the_job_ends_it(void **state)
{
    struct job_world *world = *state;

    job_world_hook(&world->plan.hooks.before, "exit 1");
    job_world_hook(&world->plan.hooks.after, NOTE("job after"));
    job_world_hook(&world->plan.hooks.failed, NOTE("$VIRT_BACKUP_REASON"));
    assert_int_equal(job_world_run(world), -1);
    assert_string_equal(world->err.text, "job 'nightly': hook 'before': sh: exit status 1; "
                                         "no guest is backed up");
    expect_log(world, "kept backup a 1 hook", "kept backup c 1", "kept run - 1 ", "job after\n",
               "job 'nightly': hook 'before': sh: exit status 1; no guest");
    job_world_expect_not(world, "backup a\n");
    job_world_expect_not(world, "collect\n");
}

static void a_name_that_means_nothing_is_a_failure(void **state)
{
    struct job_world *world = *state;

    world->plan.unmatched = 2;
    job_world_hook(&world->plan.hooks.failed, NOTE("job: $VIRT_BACKUP_STATUS $VIRT_BACKUP_REASON"));
    assert_int_equal(job_world_run(world), 0);
    expect_log(world, "+c ", "kept run - 3 2 of the names",
               "job: 3 2 of the names in the job mean no guest or disk\n", "done 3 of 3");
    assert_int_equal(world->outcome.failed, 2);
}

static void what_cannot_be_planned_is_told_to_the_failed_hook_alone(void **state)
{
    struct job_world *world = *state;
    struct job_plan whole = world->plan;
    const struct err err = {.kind = ERR_NOT_FOUND, .text = (char[]){"no guest 'gone'"}};

    job_world_hook(&world->plan.hooks.before, NOTE("before"));
    job_world_hook(&world->plan.hooks.after, NOTE("after"));
    job_world_hook(&world->plan.hooks.failed, NOTE("job: $VIRT_BACKUP_STATUS $VIRT_BACKUP_REASON"));
    whole.hooks = world->plan.hooks;
    whole.guest_count = 0;
    job_run_refused_with(&whole, &world->means, &world->report, &err);
    expect_log(world, "kept run - 1 no guest 'gone'\n", "job: 1 no guest 'gone'\n");
    job_world_expect_not(world, "before");
    job_world_expect_not(world, "after");
    job_world_expect_not(world, "backup");
}

/* Names and reasons come from guests and from outside. */
static void what_a_hook_gets_cannot_break_its_form(void **state)
{
    struct job_world *world = *state;

    free(GUEST_B.name);
    GUEST_B.name = mem_strdup("b\nc\033[2J");
    job_world_script(world, "backup-b",
                     "cat <<'END'\n"
                     "{\"event\":\"guest-failed\",\"error\":\"x\\ny\\u001b[2J\"}\n"
                     "END\n"
                     "exit 1\n");
    job_world_hook(
        &GUEST_B.hooks.failed,
        "printf '<%s|%s>\\n' \"$VIRT_BACKUP_GUEST\" \"$VIRT_BACKUP_REASON\" >> \"$JOB_WORLD/log\"; "
        "wc -l >> \"$JOB_WORLD/log\"");
    assert_int_equal(job_world_run(world), 0);
    expect_log(world, "<b c?[2J|x y?[2J>\n1\n");
}

int main(void)
{
#define JOB_TEST(test) cmocka_unit_test_setup_teardown(test, job_world_setup, job_world_teardown)
    const struct CMUnitTest tests[] = {
        JOB_TEST(all_is_well),
        JOB_TEST(a_step_that_tells_its_error),
        JOB_TEST(a_step_that_is_killed),
        JOB_TEST(a_step_that_is_killed_after_its_point),
        JOB_TEST(a_step_that_writes_garbage),
        JOB_TEST(a_step_that_writes_nothing),
        JOB_TEST(a_step_that_makes_no_point),
        JOB_TEST(a_step_that_fails_without_a_word),
        JOB_TEST(statuses_of_steps_are_counted),
        JOB_TEST(a_program_that_cannot_be_run),
        JOB_TEST(the_guardian_of_a_killed_step_is_awaited),
        JOB_TEST(a_process_that_outlives_its_step_is_not_awaited),
        JOB_TEST(hooks_come_in_their_order),
        JOB_TEST(a_failing_before_hook_skips_the_guest),
        JOB_TEST(the_failed_hook_gets_the_reason),
        JOB_TEST(hooks_after_the_work_only_warn),
        JOB_TEST(a_hook_that_hangs_is_killed),
        JOB_TEST(what_a_hook_has_started_is_killed_too),
        JOB_TEST(a_failing_before_hook_of_the_job_ends_it),
        JOB_TEST(a_name_that_means_nothing_is_a_failure),
        JOB_TEST(what_cannot_be_planned_is_told_to_the_failed_hook_alone),
        JOB_TEST(what_a_hook_gets_cannot_break_its_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
