/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/launch.h"
#include "base/quit.h"

#define SH(script) ((const char *const[]){"sh", "-c", script, NULL})

/* What the program writes to its standard output. */
static char *output_of(const struct launch *launch_in)
{
    struct launch launch = *launch_in;
    struct launched launched = LAUNCHED_INIT;
    CLEANUP_ERR struct err err = ERR_INIT;
    char text[4096];
    size_t len = 0;
    ssize_t n;
    int fds[8];
    int ends[2];
    int status = -1;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    for (size_t i = 0; i < launch.fd_count; i++)
        fds[i] = launch.fds[i];
    fds[1] = ends[1];
    launch.fds = fds;
    assert_int_equal(launch_start(&launch, &launched, &err), 0);
    close(ends[1]);
    while ((n = read(ends[0], text + len, sizeof(text) - 1 - len)) > 0)
        len += (size_t)n;
    close(ends[0]);
    text[len] = '\0';
    assert_true(launch_wait(&launched, 60000, &status));
    assert_int_equal(status, 0);
    launch_clear(&launched);
    return mem_strdup(text);
}

static const int standard[] = {-1, -1, STDERR_FILENO};

static void settings_replace_the_environment(void **state)
{
    static const char *const settings[] = {"VB_SET=new", NULL};
    const struct launch launch = {
        .argv = SH("echo $VB_SET:$VB_SETTING:$LISTEN_FDS:$LISTEN_PID:$(env | grep -c VB_SET=):"
                   "$NOTIFY_SOCKET:$WATCHDOG_USEC:$WATCHDOG_PID"),
        .settings = settings,
        .fds = standard,
        .fd_count = 3};

    (void)state;
    setenv("VB_SET", "old", 1);
    setenv("VB_SETTING", "kept", 1);
    setenv("LISTEN_FDS", "7", 1);
    setenv("LISTEN_PID", "1", 1);
    setenv("NOTIFY_SOCKET", "/run/notify", 1);
    setenv("WATCHDOG_USEC", "1000000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    CLEANUP_FREE char *text = output_of(&launch);
    assert_string_equal(text, "new:kept:::1:::\n");
}

static void a_listening_socket_is_announced_to_the_program(void **state)
{
    CLEANUP_CLOSE int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int fds[] = {-1, -1, STDERR_FILENO, sock};
    const struct launch launch = {
        .argv = SH("test $LISTEN_FDS = 1 && test $LISTEN_PID -eq $$ && readlink /proc/$$/fd/3"),
        .fds = fds,
        .fd_count = 4,
        .activated = true};

    (void)state;
    CLEANUP_FREE char *text = output_of(&launch);
    assert_text_has(text, "socket:[");
}

/* Each of them lies where another one goes. */
static void descriptors_are_placed_wherever_they_were(void **state)
{
    const struct scratch *scratch = *state;
    int saved[3];
    int fds[3];
    int status = -1;
    struct launched launched = LAUNCHED_INIT;

    for (int i = 0; i < 3; i++) {
        char name[] = {(char)('a' + i), '\0'};
        saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 20);
        fds[i] = openat(scratch->fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fds[i] > 2);
    }
    for (int i = 0; i < 3; i++)
        dup2(fds[(i + 1) % 3], i);  /* 0 is b, 1 is c, 2 is a */
    const int wanted[] = {2, 0, 1}; /* a, b, c */
    const struct launch launch = {
        .argv = SH("echo to b; echo to c >&2; echo to a >&0"), .fds = wanted, .fd_count = 3};
    int started = launch_start(&launch, &launched, NULL);
    for (int i = 0; i < 3; i++) {
        dup2(saved[i], i);
        close(saved[i]);
        close(fds[i]);
    }
    assert_int_equal(started, 0);
    assert_true(launch_wait(&launched, 60000, &status));
    launch_clear(&launched);
    scratch_assert_text(scratch, "a", "to a\n");
    scratch_assert_text(scratch, "b", "to b\n");
    scratch_assert_text(scratch, "c", "to c\n");
}

static void no_other_descriptor_is_inherited(void **state)
{
    const struct launch launch = {
        .argv = SH("exec ls /proc/self/fd"), .fds = standard, .fd_count = 3};
    int leaked = open("/dev/null", O_RDONLY); /* as a library may, without O_CLOEXEC */

    (void)state;
    CLEANUP_FREE char *text = output_of(&launch);
    close(leaked);
    assert_string_equal(text, "0\n1\n2\n3\n"); /* 3: the folder that ls reads */
}

static void a_terminal_does_not_reach_the_program(void **state)
{
    /* fields 1 and 5 of stat: pid and process group */
    static const char script[] =
        "read pid comm state ppid pgrp rest < /proc/self/stat; test $pid = $pgrp || echo group; "
        "sed -n 's/^Sig\\(Ign\\|Blk\\).//p' /proc/self/status";
    const struct launch launch = {.argv = SH(script), .fds = standard, .fd_count = 3};
    const unsigned long long stops =
        1ULL << (SIGTSTP - 1) | 1ULL << (SIGTTIN - 1) | 1ULL << (SIGTTOU - 1);
    sigset_t blocked;
    sigset_t old;

    (void)state;
    signal(SIGHUP, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    sigfillset(&blocked);
    sigprocmask(SIG_BLOCK, &blocked, &old);
    signal(SIGCHLD, SIG_DFL); /* we wait */
    CLEANUP_FREE char *text = output_of(&launch);
    sigprocmask(SIG_SETMASK, &old, NULL);
    signal(SIGHUP, SIG_DFL);
    signal(SIGQUIT, SIG_DFL);
    char *next = NULL;
    assert_int_equal(strtoull(text, &next, 16), 0); /* blocked */
    assert_int_equal(strtoull(next, NULL, 16), stops);
}

static void what_cannot_be_run_is_named(void **state)
{
    static const char *const argv[] = {"vb-no-such-program", NULL};
    const struct launch by_name = {.argv = argv, .fds = standard, .fd_count = 3};
    const struct launch by_path = {
        .argv = argv, .path = "/etc/passwd", .fds = standard, .fd_count = 3};
    struct launched launched = LAUNCHED_INIT;
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    assert_fails(launch_start(&by_name, &launched, &err), &err, ERR_NOT_FOUND);
    assert_string_equal(err.text, "vb-no-such-program: cannot run it: No such file or directory");
    assert_fails(launch_start(&by_path, &launched, &err), &err, ERR_DENIED);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left to be reaped */
    assert_int_equal(errno, ECHILD);
}

static void an_end_is_waited_for_and_can_be_made(void **state)
{
    const struct launch forever = {.argv =
                                       SH("trap '' TERM INT; while :; do read x; done < /dev/zero"),
                                   .fds = standard,
                                   .fd_count = 3};
    const struct launch seven = {.argv = SH("exit 7"), .fds = standard, .fd_count = 3};
    struct launched launched = LAUNCHED_INIT;
    int status = -1;

    (void)state;
    assert_int_equal(launch_start(&seven, &launched, NULL), 0);
    assert_true(launch_wait(&launched, 60000, &status));
    assert_int_equal(WEXITSTATUS(status), 7);
    launch_clear(&launched);
    assert_int_equal(launch_start(&forever, &launched, NULL), 0);
    assert_false(launch_wait(&launched, 1, &status));
    assert_true(launch_kill(&launched));
    assert_int_equal(launched.pid, 0);
    launch_clear(&launched);
    launch_clear(&launched);
}

static void a_signal_to_us_ends_the_program_that_we_wait_for(void **state)
{
    const struct launch forever = {.argv =
                                       SH("kill -TERM $PPID; while :; do read x; done < /dev/zero"),
                                   .fds = standard,
                                   .fd_count = 3};
    CLEANUP_LAUNCHED struct launched launched = LAUNCHED_INIT;
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(quit_install(NULL), 0);
    assert_int_equal(launch_start(&forever, &launched, NULL), 0);
    assert_fails(launch_wait_or_quit(&launched, NULL, &err), &err, ERR_CANCELLED);
    assert_int_equal(launched.pid, 0);
}

static void a_child_that_is_stopped_ends_when_it_must(void **state)
{
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        raise(SIGSTOP);
        _exit(0);
    }
    launch_end(pid, 300);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_replace_the_environment),
        cmocka_unit_test(a_listening_socket_is_announced_to_the_program),
        cmocka_unit_test_setup_teardown(descriptors_are_placed_wherever_they_were, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test(no_other_descriptor_is_inherited),
        cmocka_unit_test(a_terminal_does_not_reach_the_program),
        cmocka_unit_test(what_cannot_be_run_is_named),
        cmocka_unit_test(an_end_is_waited_for_and_can_be_made),
        cmocka_unit_test(a_child_that_is_stopped_ends_when_it_must),
        /* the last one: the signal stays */
        cmocka_unit_test(a_signal_to_us_ends_the_program_that_we_wait_for),
    };

    return cmocka_run_group_tests_name("base launch", tests, NULL, NULL);
}
