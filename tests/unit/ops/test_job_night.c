/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Jobs: order, window, workers, and what a run has for itself.
 */
#include "job_world.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/lock_file.h"
#include "base/notify.h"
#include "base/units.h"
#include "ops/job/order.h"
#include "ops/job/start.h"

/* ---- order -------------------------------------------------------------------------------------- */

#define POINT(guest, time, more)                                                                   \
    "{\"event\":\"point\",\"guest\":\"" guest "\",\"point\":\"1\",\"time\":\"" time "\"," more "}" \
    "\n"
#define COMPLETE "\"complete\":true,\"in-trash\":false"

static void the_guest_whose_point_is_oldest_comes_first(void **state)
{
    struct job_world *world = *state;

    job_world_script(world, "list",
                     "cat <<'END'\n" POINT("a", "2026-05-03T01:00:00Z", COMPLETE)
                         POINT("a", "2026-05-01T01:00:00Z", COMPLETE)
                             POINT("b", "2026-05-02T01:00:00Z", COMPLETE)
                                 POINT("c", "2026-05-01T12:00:00Z", COMPLETE) "END\n");
    assert_int_equal(job_world_run(world), 0);
    expect_log(world, "backup c\n", "backup b\n", "backup a\n");
}

static void a_guest_that_never_had_a_point_comes_first_of_all(void **state)
{
    struct job_world *world = *state;

    job_world_script(
        world, "list",
        "cat <<'END'\n" POINT("a", "2026-05-03T01:00:00Z",
                              COMPLETE) POINT("b", "2026-05-02T01:00:00Z", COMPLETE)
            POINT("c", "2026-05-09T01:00:00Z", "\"complete\":false,\"in-trash\":false")
                POINT("c", "2026-05-09T02:00:00Z", "\"complete\":true,\"in-trash\":true") "END\n");
    assert_int_equal(job_world_run(world), 0);
    expect_log(world, "backup c\n", "backup b\n", "backup a\n");
}

static int results_of_a_and_b(struct results *ret, struct err *err)
{
    static const struct run_result all[] = {
        {.job = "nightly", .guest = "a", .uuid = "uuid-of-a", .verb = "backup", .started_s = 9000},
        {.job = "nightly", .guest = "b", .uuid = "uuid-of-b", .verb = "backup", .started_s = 8000},
        /* A failure, another verb and another job are no points of this job. */
        {.job = "nightly",
         .guest = "b",
         .uuid = "uuid-of-b",
         .verb = "backup",
         .started_s = 9500,
         .status = 1},
        {.job = "nightly", .guest = "b", .uuid = "uuid-of-b", .verb = "prune", .started_s = 9600},
        {.job = "other", .guest = "c", .uuid = "uuid-of-c", .verb = "backup", .started_s = 9700},
    };

    (void)err;
    *ret = (struct results){.all = mem_array(5, sizeof(*all)), .count = 5};
    memcpy(ret->all, all, sizeof(all));
    return 0;
}

/* Even if the list of the store is damaged. */
static void results_of_this_host_count_for_the_order(void **state)
{
    struct job_world *world = *state;

    world->means.read_results = results_of_a_and_b;
    job_world_script(world, "list", "echo nonsense; exit 1\n");
    assert_int_equal(job_world_run(world), 0);
    expect_log(world, "backup c\n", "backup b\n", "backup a\n");
}

static void what_is_equal_stays_as_it_was(void **state)
{
    static const int64_t newest[] = {5, 1, 5, 1, INT64_MIN, 5};
    static const char *const sorted = "ebdacf";
    struct job_turn turns[6];
    struct job_guest guests[6];
    char names[6][2];

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        snprintf(names[i], 2, "%c", (char)('a' + i));
        guests[i] = (struct job_guest){.name = names[i]};
        turns[i] = (struct job_turn){.guest = &guests[i], .newest_s = newest[i]};
    }
    job_order_sort(turns, 6);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(turns[i].guest->name[0], sorted[i]);
}

/* ---- window --------------------------------------------------------------------------------------- */

static void what_was_not_begun_in_time_is_left(void **state)
{
    struct job_world *world = *state;

    world->plan.not_after_s = (int64_t)time(NULL) + 2;
    job_world_script(world, "backup-a", "sleep 3\n");
    assert_int_equal(job_world_run(world), 0);
    expect_log(world, "+a", "left b\n", "left c\n", "prune left\n", "not pruned b\n",
               "not pruned c\n", "verify left\n", "collect left\n",
               "done 1 of 3, 0 failed, 2 left, 0 not tried");
    job_world_expect_not(world, "backup b\n");
    assert_int_equal(world->outcome.failed, 0);
}

/* ---- workers ---------------------------------------------------------------------------------------- */

/* Each of the three ends only when all have begun. */
static void guests_are_backed_up_at_the_same_time(void **state)
{
    static const char *const names[] = {"backup-a", "backup-b", "backup-c"};
    struct job_world *world = *state;

    world->plan.parallel = 3;
    for (size_t i = 0; i < 3; i++)
        job_world_script(world, names[i],
                         "while test $(grep -c '^backup' \"$JOB_WORLD/log\") -lt 3; do sleep 0.05; "
                         "done\n");
    assert_int_equal(job_world_run(world), 0);
    expect_log(world, "prune a\n", "done 3 of 3");
    assert_int_equal(world->outcome.good, 3);
}

static void no_more_guests_at_a_time_than_wanted(void **state)
{
    static const char *const names[] = {"backup-a", "backup-b", "backup-c"};
    struct job_world *world = *state;

    world->plan.parallel = 2;
    for (size_t i = 0; i < 3; i++)
        job_world_script(world, names[i],
                         "touch \"$JOB_WORLD/now-$guest\"; set -- \"$JOB_WORLD\"/now-*\n" NOTE(
                             "at once $#") "; sleep 0.3; rm \"$JOB_WORLD/now-$guest\"\n");
    assert_int_equal(job_world_run(world), 0);
    expect_log(world, "at once 2\n");
    job_world_expect_not(world, "at once 3\n");
    assert_int_equal(world->outcome.good, 3);
}

/* ---- before the work ------------------------------------------------------------------------------- */

static void hosts_are_spread_over_the_stagger(void **state)
{
    unsigned quarters[4] = {0};
    char host[32];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        snprintf(host, sizeof(host), "host%d", i);
        uint64_t delay_ms = job_start_delay_ms(host, "nightly", 1800);
        assert_true(delay_ms < 1800 * 1000);
        assert_int_equal(delay_ms, job_start_delay_ms(host, "nightly", 1800));
        quarters[delay_ms / (450 * 1000)]++;
    }
    for (int i = 0; i < 4; i++)
        assert_in_range(quarters[i], 180, 320);
    assert_int_not_equal(job_start_delay_ms("host1", "nightly", 1800),
                         job_start_delay_ms("host1", "weekly", 1800));
    assert_int_equal(job_start_delay_ms("host1", "nightly", 0), 0);
}

static void a_job_that_is_being_run_is_busy(void **state)
{
    struct job_world *world = *state;
    CLEANUP(lock_file_releasep) struct lock_file *lock = NULL;

    assert_int_equal(lock_file_take(world->scratch->fd, "job-nightly.lock", 0, &lock, NULL), 0);
    world->plan.wait_ms = 600;
    uint64_t begun_ms = units_now_ms();
    assert_int_equal(job_world_run(world), -1);
    assert_true(units_now_ms() - begun_ms >= 600);
    assert_int_equal(world->err.kind, ERR_BUSY);
    assert_text_has(world->err.text, "job 'nightly': ");
    job_world_expect_not(world, "backup");
    lock_file_release(TAKE_PTR(lock));
    assert_int_equal(job_world_run(world), 0);
}

static int full_state(int *ret_fd, struct err *err)
{
    (void)ret_fd;
    return err_set_errno(err, ENOSPC, "/state");
}

static int full_results(const struct run_result *result, const struct job_plan *plan,
                        struct err *err)
{
    (void)result;
    (void)plan;
    return err_set_errno(err, ENOSPC, "/state/results");
}

static void a_full_state_folder_costs_no_backup(void **state)
{
    struct job_world *world = *state;

    world->means.open_state = full_state;
    world->means.keep_result = full_results;
    assert_int_equal(job_world_run(world), 0);
    expect_log(world, "trouble 0 : /state: No space left on device\n", "backup a\n",
               "trouble 1 : /state/results: No space left on device\n", "+a", "+b", "+c",
               "prune a\n", "collect\n", "done 3 of 3");
    assert_int_equal(world->outcome.good, 3);
    assert_int_equal(world->outcome.failed, 0);
    /* Said once, not for each guest. */
    CLEANUP_FREE char *log = job_world_log(world);
    assert_null(strstr(strstr(log, "trouble 1") + 1, "trouble 1"));
}

/* A place that the before hook mounts and the after hook unmounts. */
static void the_place_is_looked_at_between_the_hooks_of_the_job(void **state)
{
    struct job_world *world = *state;

    world->plan.metrics = mem_strdup("/m.prom");
    job_world_hook(&world->plan.hooks.before, NOTE("job before"));
    job_world_hook(&world->plan.hooks.after, NOTE("job after"));
    job_world_script(world, "status-uuid-of-c", "echo '{\"event\":\"status\"}'\n");
    assert_int_equal(job_world_run(world), 0);
    expect_log(world, "job before\n", "list\n", "backup a\n", "collect\n", "kept run - 0 good\n",
               "status uuid-of-c\n", "job after\n", "done 3 of 3");
}

static void metrics_are_written_at_the_end(void **state)
{
    struct job_world *world = *state;

    world->plan.metrics = mem_strdup("/m.prom");
    world->plan.no_sandbox = true;
    job_world_script(world, "list", NOTE("$*") "\n");
    job_world_script(world, "status-uuid-of-c",
                     NOTE("$*") "; echo '{\"event\":\"status\"}'; exit 1\n");
    assert_int_equal(job_world_run(world), 0);
    expect_log(world, "list --repository=/r --scope=default --no-sandbox --json\n", "collect\n",
               "status --repository=/r --scope=default --no-sandbox --domain-names=uuid-of-a "
               "--domain-names=uuid-of-b --domain-names=uuid-of-c --metrics=/m.prom "
               "--metrics-job=nightly --json\n",
               "done 3 of 3");
    job_world_expect_not(world, "trouble");
    job_world_script(world, "status-uuid-of-c",
                     "echo '{\"event\":\"error\",\"error\":\"/m.prom: denied\"}'; exit 1\n");
    assert_int_equal(job_world_run(world), 0);
    expect_log(world, "trouble 2 : /m.prom: denied\n", "done 3 of 3");
}

/* ---- the service manager ---------------------------------------------------------------------------- */

struct manager {
    int sock;
    char heard[1 << 16]; /* each thing in a line */
};

/* Until the test tells the end: the queue of a socket is short. */
static void *manager_listen(void *opaque)
{
    struct manager *manager = opaque;
    size_t len = 0;
    ssize_t got;

    while (len < sizeof(manager->heard) - 4096 && !strstr(manager->heard, "END=1") &&
           (got = recv(manager->sock, manager->heard + len, 4000, 0)) > 0) {
        len += (size_t)got;
        manager->heard[len++] = '\n';
    }
    return NULL;
}

/* The caller frees. */
static struct manager *run_with_manager(struct job_world *world)
{
    CLEANUP_FREE char *path = mem_printf("%s/notify", world->scratch->path);
    struct manager *manager = mem_alloc(sizeof(*manager));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    pthread_t thread;

    manager->sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_int_equal(bind(manager->sock, (const struct sockaddr *)&address, sizeof(address)), 0);
    setenv("NOTIFY_SOCKET", path, 1);
    setenv("WATCHDOG_USEC", "300000", 1);
    assert_int_equal(pthread_create(&thread, NULL, manager_listen, manager), 0);
    assert_int_equal(job_world_run(world), 0);
    assert_true(notify_send("END=1"));
    assert_int_equal(pthread_join(thread, NULL), 0);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    close(manager->sock);
    return manager;
}

static void the_service_manager_is_told(void **state)
{
    struct job_world *world = *state;
    unsigned signs = 0;

    job_world_script(world, "backup-b",
                     "sleep 1.5; echo '{\"event\":\"progress\",\"guest\":\"b\",\"what\":\"vda\","
                     "\"done\":1,\"total\":1,\"guest-done\":42,\"guest-total\":100}'; sleep 1;"
                     "echo '{\"event\":\"progress\",\"guest\":\"b\",\"what\":\"vda\",\"done\":1,"
                     "\"total\":1,\"guest-done\":43,\"guest-total\":100}'; sleep 0.5\n");
    CLEANUP_FREE struct manager *manager = run_with_manager(world);
    const char *heard = manager->heard;
    assert_true(strncmp(heard, "READY=1\n", 8) == 0);
    assert_text_has(heard, "STATUS=b; 1 of 3 guests done\n");
    assert_text_has(heard, "STATUS=b: 43 %; 1 of 3 guests done\n");
    assert_text_has(heard, "STATUS=prune a; 3 of 3 guests done\n");
    /* There may be another job. */
    assert_null(strstr(heard, "STOPPING"));
    /* Of three seconds, each 100 ms. */
    for (const char *at = heard; (at = strstr(at, "WATCHDOG=1\n")); at++)
        signs++;
    assert_in_range(signs, 10, 45);
}

int main(void)
{
#define JOB_TEST(test) cmocka_unit_test_setup_teardown(test, job_world_setup, job_world_teardown)
    const struct CMUnitTest tests[] = {
        JOB_TEST(the_guest_whose_point_is_oldest_comes_first),
        JOB_TEST(a_guest_that_never_had_a_point_comes_first_of_all),
        JOB_TEST(results_of_this_host_count_for_the_order),
        cmocka_unit_test(what_is_equal_stays_as_it_was),
        JOB_TEST(what_was_not_begun_in_time_is_left),
        JOB_TEST(guests_are_backed_up_at_the_same_time),
        JOB_TEST(no_more_guests_at_a_time_than_wanted),
        cmocka_unit_test(hosts_are_spread_over_the_stagger),
        JOB_TEST(a_job_that_is_being_run_is_busy),
        JOB_TEST(a_full_state_folder_costs_no_backup),
        JOB_TEST(the_place_is_looked_at_between_the_hooks_of_the_job),
        JOB_TEST(metrics_are_written_at_the_end),
        JOB_TEST(the_service_manager_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
