/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The guardian, with a fake hypervisor: of a run that dies, whose guest it puts back whatever fails
 * once or dies once on the way, and of one that is stopped, whose guest it lets go.
 */
#include "ops/undo/guardian.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/units.h"
#include "ops/undo/guest_lock.h"
#include "ops/undo/undo.h"
#include "undo_world.h"

#define MOST_STEPS 40
#define LOOK_MS 5
#define PATIENCE_MS 20000
/* What a run exits with that has found out that its guest was let go. */
#define TAKEN 3

/* If set, no other process of the test than this one can send. */
static pid_t only_sender;

ssize_t sendmsg(int sock, const struct msghdr *message, int flags)
{
    if (only_sender && getpid() != only_sender) {
        errno = ENOBUFS;
        return -1;
    }
    return syscall(SYS_sendmsg, sock, message, flags);
}

static struct guardian *start(const struct world *world)
{
    CLEANUP_FREE char *state = path_in(world, "state");
    struct guardian *guardian = NULL;
    const struct guardian_settings settings = {
        .calls = &fake_calls,
        .state_folder = state,
        .look_ms = LOOK_MS,
        .undo_pause_ms = 1,
    };

    return guardian_start(&settings, &guardian, NULL) < 0 ? NULL : guardian;
}

/* Runs that die leave their guardians to us: see main. Its exit status. */
static int wait_for_orphan(void)
{
    int status = 0;

    assert_true(waitpid(-1, &status, 0) > 0);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static bool journal_is_there(const struct world *world)
{
    return faccessat(world->state_fd, WEB ".intent", F_OK, 0) == 0;
}

/* ---- a run that dies ------------------------------------------------------------------------ */

/* Returns the exit status of its guardian. */
static int run_and_die(const struct world *world, const struct scenario *scenario,
                       enum fake_fault fault, unsigned at)
{
    int status = 0;
    pid_t run = fork();

    if (run == 0) {
        log_set_level(LOG_QUIET);
        if (!freopen("/dev/null", "w", stderr) || !start(world))
            _exit(1);
        scenario->make(world);
        fake_arm(fault, at);
        _exit(0);
    }
    assert_int_equal(waitpid(run, &status, 0), run);
    assert_int_equal(status, 0);
    return wait_for_orphan();
}

static void a_dead_runs_guest_is_put_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < scenario_count; i++) {
        struct world world CLEANUP(world_clear) = {.state_fd = -1};
        world_make(&world);
        print_message("# %s\n", scenarios[i].name);
        assert_int_equal(run_and_die(&world, &scenarios[i], FAKE_NO_FAULT, 0), 0);
        scenarios[i].check(&world);
        assert_false(journal_is_there(&world));
    }
}

/* A fault at each step of it in turn; what it does not manage is left to recover. */
static void each_step(enum fake_fault fault, int expected)
{
    for (size_t i = 0; i < scenario_count; i++)
        for (unsigned at = 1;; at++) {
            struct world world CLEANUP(world_clear) = {.state_fd = -1};
            world_make(&world);
            int status = run_and_die(&world, &scenarios[i], fault, at);
            bool reached = fake_reached();
            print_message("# %s, fault %d at step %u: %d\n", scenarios[i].name, (int)fault, at,
                          status);
            assert_int_equal(status, reached ? expected : 0);
            assert_int_equal(journal_is_there(&world), reached && expected != 0);
            fake_arm(FAKE_NO_FAULT, 0);
            if (expected && reached)
                assert_int_equal(undo_recorded(world.state_fd, WEB, &fake_calls, NULL, NULL),
                                 UNDO_DONE);
            scenarios[i].check(&world);
            if (!reached)
                break;
            assert_true(at < MOST_STEPS);
        }
}

static void a_step_that_fails_once_is_tried_again(void **state)
{
    (void)state;
    each_step(FAKE_FAIL, 0);
    each_step(FAKE_LOSE, 0);
}

static void what_keeps_failing_stays_in_the_journal(void **state)
{
    (void)state;
    each_step(FAKE_FAIL_ON, 1);
}

static void a_guardian_that_dies_leaves_it_to_recover(void **state)
{
    (void)state;
    each_step(FAKE_DIE_BEFORE, FAKE_DEATH);
    each_step(FAKE_DIE_AFTER, FAKE_DEATH);
}

static void another_runs_guest_is_left_alone(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};

    (void)state;
    world_make(&world);
    saved_and_down(&world); /* ours, and we live */
    pid_t run = fork();
    if (run == 0)
        _exit(start(&world) ? 0 : 1);
    assert_int_equal(waitpid(run, NULL, 0), run);
    assert_int_equal(wait_for_orphan(), 0);
    assert_true(journal_is_there(&world));
    assert_false(world.web->active);
}

/* ---- a run that is stopped ------------------------------------------------------------------- */

static bool wait_until(bool (*is_true)(const void *opaque), const void *opaque)
{
    uint64_t deadline_ms = units_now_ms() + PATIENCE_MS;

    while (!is_true(opaque) && units_now_ms() < deadline_ms)
        poll(NULL, 0, 2);
    return is_true(opaque);
}

/* What the run and the test tell each other. */
struct scene {
    volatile bool client_open; /* the server sees the run's connection */
    volatile bool ended_open;  /* the job was ended while it did */
};
static struct scene *scene;

static bool is_let_go(const void *opaque)
{
    const struct world *world = opaque;

    return world->web->active && !world->web->paused && !world->web->socket[0];
}

/* Stops in the middle, as by SIGSTOP, and looks on SIGCONT whether it still has its guest. */
static void __attribute__((noreturn)) stop_with(const struct world *world,
                                                struct guardian *guardian)
{
    int socket = -1;

    raise(SIGSTOP);
    if (!intent_is_taken(world->state_fd, WEB))
        _exit(0);
    intent_wait_taken(world->state_fd, WEB, PATIENCE_MS);
    guardian_drop(guardian);
    /* Now the way is free for the next guest. */
    CLEANUP_FREE char *path = path_in(world, "server");
    if (guardian_connect(guardian, path, &socket, NULL) < 0)
        _exit(4);
    guardian_free(guardian);
    _exit(TAKEN);
}

static pid_t run_and_stop(const struct world *world, void (*make)(const struct world *world),
                          bool connect)
{
    pid_t run = fork();
    int status;

    if (run == 0) {
        CLEANUP_FREE char *path = path_in(world, "server");
        int socket = -1;
        if (!freopen("/dev/null", "w", stderr))
            _exit(1);
        struct guardian *guardian = start(world);
        make(world);
        if (!guardian || (connect && guardian_connect(guardian, path, &socket, NULL) < 0))
            _exit(1);
        stop_with(world, guardian);
    }
    assert_int_equal(waitpid(run, &status, WUNTRACED), run);
    assert_true(WIFSTOPPED(status));
    return run;
}

static int go_on(pid_t run)
{
    int status;

    kill(run, SIGCONT);
    assert_int_equal(waitpid(run, &status, 0), run);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int listen_at(const struct world *world)
{
    CLEANUP_FREE char *path = path_in(world, "server");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_int_equal(bind(sock, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(sock, 5), 0);
    return sock;
}

static void held_with_a_job(const struct world *world)
{
    for (size_t i = 0; i < scenario_count; i++)
        if (strcmp(scenarios[i].name, "held with a job") == 0)
            scenarios[i].make(world);
}

static void a_stopped_runs_guest_is_let_go_and_the_run_told(void **state)
{
    static void (*const makes[])(const struct world *) = {held_with_a_job, saved_and_down};

    (void)state;
    for (size_t i = 0; i < sizeof(makes) / sizeof(*makes); i++) {
        struct world world CLEANUP(world_clear) = {.state_fd = -1};
        world_make(&world);
        CLEANUP_CLOSE int server = listen_at(&world);
        assert_true(server >= 0);
        pid_t run = run_and_stop(&world, makes[i], false);
        assert_true(wait_until(is_let_go, &world));
        assert_true(intent_is_taken(world.state_fd, WEB));
        assert_int_equal(go_on(run), TAKEN);
        assert_false(world.web->damaged);
    }
}

/* QEMU would hang. */
static void fake_job_end(void)
{
    scene->ended_open = scene->ended_open || scene->client_open;
}

static void its_connection_is_closed_before_the_job_is_ended(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};
    char byte;

    (void)state;
    world_make(&world);
    *scene = (struct scene){0};
    fake_on_backup_end(fake_job_end);
    CLEANUP_CLOSE int server = listen_at(&world);
    pid_t run = fork();
    if (run == 0) {
        /* The server: it closes when it is told the end, and not before. */
        alarm(PATIENCE_MS / 1000);
        int client = accept(server, NULL, NULL);
        scene->client_open = true;
        bool told = recv(client, &byte, 1, 0) == 0;
        scene->client_open = false;
        close(client);
        _exit(told ? 0 : 1);
    }
    pid_t stopped = run_and_stop(&world, held_with_a_job, true);
    assert_true(wait_until(is_let_go, &world));
    fake_on_backup_end(NULL);
    int status = -1;
    assert_int_equal(waitpid(run, &status, 0), run);
    assert_int_equal(status, 0);
    assert_false(scene->ended_open);
    assert_int_equal(go_on(stopped), TAKEN);
}

/* Each call of the hypervisor fails once: then the run is ended, and its guest put back. */
static void a_guest_that_cannot_be_let_go_ends_the_run(void **state)
{
    (void)state;
    for (unsigned at = 1; at < 5; at++) {
        struct world world CLEANUP(world_clear) = {.state_fd = -1};
        int status;
        world_make(&world);
        fake_arm(FAKE_FAIL, at);
        pid_t run = run_and_stop(&world, held_with_a_job, false);
        assert_int_equal(waitpid(run, &status, 0), run);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_int_equal(wait_for_orphan(), 0);
        as_it_was(&world);
        assert_false(journal_is_there(&world));
    }
}

static void a_run_that_holds_no_guest_may_be_stopped(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};

    (void)state;
    world_make(&world);
    for (size_t i = 0; i < scenario_count; i++)
        if (strcmp(scenarios[i].name, "let go before its memory is stored") == 0) {
            pid_t run = run_and_stop(&world, scenarios[i].make, false);
            poll(NULL, 0, (GUARDIAN_LOOKS + 2) * LOOK_MS); /* only a fault would show later */
            assert_int_equal(go_on(run), 0);
            assert_int_equal(wait_for_orphan(), 0);
        }
    as_it_was(&world);
}

static void a_stop_is_noticed_within_ten_seconds(void **state)
{
    (void)state;
    assert_in_range(GUARDIAN_LOOKS * GUARDIAN_LOOK_MS, 1, 9000);
}

/* ---- a guardian that is gone ------------------------------------------------------------------- */

static pid_t guardian_of(void)
{
    CLEANUP_FREE char *path = mem_printf("/proc/self/task/%ld/children", (long)getpid());
    char text[64] = "";
    FILE *file = fopen(path, "re");

    assert_non_null(file);
    assert_non_null(fgets(text, sizeof(text), file));
    fclose(file);
    return (pid_t)strtol(text, NULL, 10);
}

static void without_it_the_run_goes_on(void **state)
{
    static const int ends[] = {SIGKILL, SIGSTOP};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct world world CLEANUP(world_clear) = {.state_fd = -1};
        world_make(&world);
        CLEANUP_CLOSE int server = listen_at(&world);
        CLEANUP_FREE char *path = path_in(&world, "server");
        CLEANUP_CLOSE int first = -1;
        CLEANUP_CLOSE int second = -1;
        struct guardian *guardian = start(&world);
        assert_true(guardian && server >= 0);
        assert_int_equal(guardian_connect(guardian, path, &first, NULL), 0);
        kill(guardian_of(), ends[i]);
        assert_int_equal(guardian_connect(guardian, path, &second, NULL), 0);
        guardian_drop(guardian);
        guardian_free(guardian);
        assert_int_equal(waitpid(-1, NULL, 0), -1);
    }
}

static void one_that_cannot_answer_is_not_waited_for(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};
    uint64_t began_ms = units_now_ms();
    CLEANUP_CLOSE int connected = -1;

    (void)state;
    world_make(&world);
    CLEANUP_CLOSE int server = listen_at(&world);
    CLEANUP_FREE char *path = path_in(&world, "server");
    (void)server; /* it has nothing to do but to be there */
    only_sender = getpid();
    struct guardian *guardian = start(&world);
    assert_int_equal(guardian_connect(guardian, path, &connected, NULL), 0);
    guardian_drop(guardian);
    guardian_free(guardian);
    only_sender = 0;
    assert_true(units_now_ms() - began_ms < PATIENCE_MS);
    assert_int_equal(waitpid(-1, NULL, 0), -1);
}

static void no_server_is_told_at_once(void **state)
{
    struct world world CLEANUP(world_clear) = {.state_fd = -1};
    CLEANUP_ERR struct err err = ERR_INIT;
    int socket = -1;

    (void)state;
    world_make(&world);
    CLEANUP_FREE char *path = path_in(&world, "server");
    struct guardian *guardian = start(&world);
    assert_int_equal(guardian_connect(guardian, path, &socket, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_int_equal(err.errnum, ENOENT);
    assert_non_null(strstr(err.text, path));
    guardian_free(guardian);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_runs_guest_is_put_back),
        cmocka_unit_test(a_step_that_fails_once_is_tried_again),
        cmocka_unit_test(what_keeps_failing_stays_in_the_journal),
        cmocka_unit_test(a_guardian_that_dies_leaves_it_to_recover),
        cmocka_unit_test(another_runs_guest_is_left_alone),
        cmocka_unit_test(a_stopped_runs_guest_is_let_go_and_the_run_told),
        cmocka_unit_test(its_connection_is_closed_before_the_job_is_ended),
        cmocka_unit_test(a_guest_that_cannot_be_let_go_ends_the_run),
        cmocka_unit_test(a_run_that_holds_no_guest_may_be_stopped),
        cmocka_unit_test(a_stop_is_noticed_within_ten_seconds),
        cmocka_unit_test(without_it_the_run_goes_on),
        cmocka_unit_test(one_that_cannot_answer_is_not_waited_for),
        cmocka_unit_test(no_server_is_told_at_once),
    };

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    scene = mmap(NULL, sizeof(*scene), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (scene == MAP_FAILED)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
