/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/parser.h"
#include "base/sandbox_filter.h"
#include "base/xml_flat.h"
#include "harness.h"
#include "mtcp/message.h"
#include "mtcp/shared.h"
#include "mtcp/spawner.h"

static struct child_settings settings_of(const char *codec, bool foreign)
{
    struct child_settings settings = {.chunk_size = CODEC_CHUNK_MIN, .foreign = foreign};

    assert_int_equal(codec_parse(codec, &settings.codec, NULL), 0);
    return settings;
}

static struct spawner *start(const char *command)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct spawner *spawner = spawner_start(command, &err);

    if (!spawner)
        fail_msg("%s", err.text);
    return spawner;
}

static struct child fork_child(struct spawner *spawner, const char *codec)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct child_settings settings = settings_of(codec, false);
    struct child child;

    if (spawner_fork(spawner, &settings, &child, &err) < 0)
        fail_msg("%s", err.text);
    return child;
}

static void expect_end(struct spawner *spawner, pid_t pid, unsigned grace_ms, const char *why)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_SPAWNER_END struct spawner_end end = {0};

    if (spawner_wait(spawner, pid, grace_ms, &end, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(end.why, why);
    assert_int_equal(end.from_outside, grace_ms > 0 && strstr(why, "signal 9") != NULL);
}

/* The line NAME of /proc/PID/status, behind the colon. */
static char *status_line(pid_t pid, const char *name)
{
    CLEANUP_FREE char *path = mem_printf("/proc/%d/status", (int)pid);
    CLEANUP_FCLOSE FILE *file = fopen(path, "re");
    CLEANUP_FREE char *line = NULL;
    size_t cap = 0;

    while (file && getline(&line, &cap, file) > 0) {
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':') {
            line[strcspn(line, "\n")] = '\0';
            const char *value = line + strlen(name) + 1;
            return mem_strdup(value + strspn(value, " \t"));
        }
    }
    return NULL;
}

/* Its I, so that it is known to have set itself up. */
static void wait_for_idle(const struct child *child)
{
    struct pollfd pollfd = {.fd = child->sock, .events = POLLIN};
    uint8_t head[MESSAGE_HEAD_MIN];

    assert_int_equal(poll(&pollfd, 1, 60000), 1);
    assert_int_equal(recv(child->sock, head, sizeof(head), 0), sizeof(head));
    assert_int_equal(head[4], 'I');
}

static void test_a_child_has_a_socket_and_a_segment(void **state)
{
    CLEANUP(spawner_freep) struct spawner *spawner = start(NULL);
    struct child child = fork_child(spawner, "none");
    struct child_settings settings = settings_of("none", false);
    struct shared_layout layout;

    (void)state;
    shared_layout(&settings, &layout);
    assert_int_equal(child.shared_size, layout.total_size);
    assert_true(io_is_zero(child.shared, child.shared_size));
    wait_for_idle(&child);
    spawner_close_child(&child);
    assert_int_equal(child.sock, -1);
    assert_null(child.shared);
    expect_end(spawner, child.pid, 60000, "exited with status 0");
}

static void test_reasons_of_ends_are_told(void **state)
{
    CLEANUP(spawner_freep) struct spawner *spawner = start(NULL);
    struct child killed = fork_child(spawner, "none");
    struct child stopped = fork_child(spawner, "none");
    struct child broken = fork_child(spawner, "none");
    struct child left = fork_child(spawner, "none");

    (void)state;
    wait_for_idle(&killed);
    wait_for_idle(&stopped);
    wait_for_idle(&broken);
    wait_for_idle(&left);
    kill(killed.pid, SIGKILL);
    kill(stopped.pid, SIGTERM);
    assert_int_equal(send(broken.sock, "garbage", 7, 0), 7);
    expect_end(spawner, killed.pid, 60000, "killed by signal 9 (Killed)");
    expect_end(spawner, stopped.pid, 60000, "killed by signal 15 (Terminated)");
    expect_end(spawner, broken.pid, 60000, "exited with status 1");
    /* this one has no reason to end: it is given none of the time, and killed */
    expect_end(spawner, left.pid, 0, "killed by signal 9 (Killed)");
    spawner_close_child(&killed);
    spawner_close_child(&stopped);
    spawner_close_child(&broken);
    spawner_close_child(&left);
}

/* It says nothing of the data. */
static void test_without_a_spawner_it_may_be_tried_again(void **state)
{
    CLEANUP(spawner_freep) struct spawner *spawner = start(NULL);
    const struct parser parser = spawner_parser(spawner, false);
    const struct parser_task task = {
        .function = xml_flatten, .data = "<a/>", .len = 4, .max = 4096};
    const struct child_settings settings = {.chunk_size = CODEC_CHUNK_MIN};
    struct child child = fork_child(spawner, "none"), other;
    CLEANUP_BUF struct buf made = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    CLEANUP_FREE char *parent = status_line(child.pid, "PPid");
    kill((pid_t)strtol(parent, NULL, 10), SIGKILL);
    spawner_close_child(&child);
    assert_int_equal(parser_run(&parser, &task, &made, &err), -1);
    assert_int_equal(err.kind, ERR_TRANSIENT);
    assert_int_equal(spawner_fork(spawner, &settings, &other, &err), -1);
    assert_int_equal(err.kind, ERR_TRANSIENT);
}

static void test_only_children_can_be_waited_for(void **state)
{
    CLEANUP(spawner_freep) struct spawner *spawner = start(NULL);
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(spawner_wait(spawner, getpid(), 0, NULL, &err), -1);
    assert_non_null(strstr(err.text, "cannot wait for child process"));
    /* and it goes on */
    struct child child = fork_child(spawner, "none");
    spawner_close_child(&child);
    expect_end(spawner, child.pid, 60000, "exited with status 0");
}

static void test_terminal_signals_are_left_to_the_control_process(void **state)
{
    CLEANUP(spawner_freep) struct spawner *spawner = start(NULL);
    struct child child = fork_child(spawner, "none");

    (void)state;
    wait_for_idle(&child);
    kill(child.pid, SIGINT);
    kill(child.pid, SIGHUP);
    kill(child.pid, SIGTSTP);
    CLEANUP_FREE char *parent = status_line(child.pid, "PPid");
    pid_t spawner_pid = (pid_t)strtol(parent, NULL, 10);
    kill(spawner_pid, SIGINT);
    kill(spawner_pid, SIGHUP);
    kill(spawner_pid, SIGTSTP);
    CLEANUP_FREE char *spawner_name = status_line(spawner_pid, "Name");
    CLEANUP_FREE char *child_name = status_line(child.pid, "Name");
    assert_string_equal(spawner_name, "vb-spawner");
    assert_string_equal(child_name, "vb-child");
    struct child other = fork_child(spawner, "none");
    spawner_close_child(&child);
    spawner_close_child(&other);
    expect_end(spawner, child.pid, 60000, "exited with status 0");
    expect_end(spawner, other.pid, 60000, "exited with status 0");
}

static void test_signal_settings_of_the_caller_are_not_inherited(void **state)
{
    sigset_t mask, old;

    (void)state;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigprocmask(SIG_BLOCK, &mask, &old);
    void (*old_child)(int) = signal(SIGCHLD, SIG_IGN);
    void (*old_term)(int) = signal(SIGTERM, SIG_IGN);
    CLEANUP(spawner_freep) struct spawner *spawner = start(NULL);
    signal(SIGCHLD, old_child);
    signal(SIGTERM, old_term);
    sigprocmask(SIG_SETMASK, &old, NULL);

    struct child child = fork_child(spawner, "none");
    wait_for_idle(&child);
    kill(child.pid, SIGTERM);
    expect_end(spawner, child.pid, 60000, "killed by signal 15 (Terminated)");
    spawner_close_child(&child);
}

static void test_a_child_has_no_descriptors_but_its_own(void **state)
{
    int stranger = dup2(STDERR_FILENO, 77); /* not close-on-exec */
    CLEANUP(spawner_freep) struct spawner *spawner = start(NULL);
    struct child first = fork_child(spawner, "none");
    struct child second = fork_child(spawner, "none");
    CLEANUP_FREE char *path = mem_printf("/proc/%d/fd", (int)second.pid);
    unsigned count = 0;

    (void)state;
    wait_for_idle(&second);
    DIR *dir = opendir(path);
    if (!dir && errno == EACCES) /* only root may look at what is not dumpable */
        skip();
    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    close(stranger);
    /* . and .., the socket; a sanitizer reports on standard error */
    assert_int_equal(count, 2 + 1 + SANDBOX_FILTER_SANITIZED);
    spawner_close_child(&first);
    spawner_close_child(&second);
    expect_end(spawner, first.pid, 60000, "exited with status 0");
    expect_end(spawner, second.pid, 60000, "exited with status 0");
}

static void assert_status(const struct child *child, const char *name, const char *value)
{
    CLEANUP_FREE char *found = status_line(child->pid, name);

    assert_non_null(found);
    assert_string_equal(found, value);
}

static void test_a_child_is_in_the_sandbox_before_it_speaks(void **state)
{
    CLEANUP(spawner_freep) struct spawner *spawner = start(NULL);
    struct child child = fork_child(spawner, "zstd");

    (void)state;
    wait_for_idle(&child);
    assert_status(&child, "Seccomp", "2");
    assert_status(&child, "NoNewPrivs", "1");
    assert_status(&child, "CapEff", "0000000000000000");
    if (geteuid() == 0)
        assert_status(&child, "Uid", "65534\t65534\t65534\t65534");
    spawner_close_child(&child);
    expect_end(spawner, child.pid, 60000, "exited with status 0");
}

static void test_a_child_is_outside_of_it_where_that_is_asked_for(void **state)
{
    CLEANUP(spawner_freep) struct spawner *spawner = start(NULL);
    struct child_settings settings = settings_of("zstd", false);
    struct child child;

    (void)state;
    settings.unconfined = true;
    assert_int_equal(spawner_fork(spawner, &settings, &child, NULL), 0);
    wait_for_idle(&child);
    assert_status(&child, "Seccomp", "0");
    spawner_close_child(&child);
    expect_end(spawner, child.pid, 60000, "exited with status 0");
}

static void test_the_sandbox_can_be_proved_at_once(void **state)
{
    CLEANUP(spawner_freep) struct spawner *spawner = start(NULL);
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    if (spawner_prove_sandbox(spawner, &err) < 0)
        fail_msg("%s", err.text);
}

/* ---- foreign children ------------------------------------------------------ */

static void test_a_program_that_cannot_be_run_is_named(void **state)
{
    static const struct {
        const char *command;
        const char *text;
        enum err_kind kind;
    } bad[] = {
        {"/nonexistent/child", "/nonexistent/child: cannot run it: No such file", ERR_NOT_FOUND},
        {"/etc/passwd", "/etc/passwd: cannot run it: Permission denied", ERR_DENIED},
        {NULL, "no program for foreign child processes", ERR_USAGE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CLEANUP(spawner_freep) struct spawner *spawner = start(bad[i].command);
        CLEANUP_ERR struct err err = ERR_INIT;
        struct child_settings settings = settings_of("none", true);
        struct child child;
        assert_int_equal(spawner_fork(spawner, &settings, &child, &err), -1);
        assert_int_equal(err.kind, bad[i].kind);
        if (!strstr(err.text, bad[i].text))
            fail_msg("'%s' is expected in: %s", bad[i].text, err.text);
    }
}

static void test_a_foreign_child_gets_its_environment_and_no_arguments(void **state)
{
    CLEANUP_FREE char *path =
        test_script("spawner-child", "#!/bin/sh\n"
                                     "echo \"$# $MTCP_COMPRESSION $MTCP_DECODE $MTCP_CHUNK_SIZE"
                                     " $MTCP_BLOCK_DIGESTS\"\n"
                                     "exit 9\n");
    struct child child;
    char text[100] = {0};

    (void)state;
    CLEANUP(spawner_freep) struct spawner *spawner = start(path);
    struct child_settings settings = settings_of("lzma:9e", true);
    settings.decode = true;
    assert_int_equal(spawner_fork(spawner, &settings, &child, NULL), 0);
    assert_null(child.shared);
    struct pollfd pollfd = {.fd = child.sock, .events = POLLIN};
    assert_int_equal(poll(&pollfd, 1, 60000), 1);
    assert_true(recv(child.sock, text, sizeof(text) - 1, 0) > 0);
    assert_string_equal(text, "0 lzma:9e 1 65536 0\n");
    spawner_close_child(&child);
    expect_end(spawner, child.pid, 60000, "exited with status 9");
    unlink(path);
}

/* ---- the spawner's own end ------------------------------------------------- */

static bool is_gone(pid_t pid)
{
    CLEANUP_FREE char *name = status_line(pid, "State");

    return !name || name[0] == 'Z' || name[0] == 'X';
}

static void wait_until_gone(pid_t pid)
{
    while (!is_gone(pid)) /* the test's own time limit ends this */
        usleep(1000);
}

static void test_spawner_and_children_die_with_the_control_process(void **state)
{
    int report[2];
    pid_t pids[2];

    (void)state;
    assert_int_equal(pipe(report), 0);
    pid_t control = fork();
    assert_true(control >= 0);
    if (control == 0) {
        struct child_settings settings = {.chunk_size = CODEC_CHUNK_MIN};
        struct spawner *spawner = spawner_start(NULL, NULL);
        struct child child;
        if (!spawner || spawner_fork(spawner, &settings, &child, NULL) < 0)
            _exit(1);
        /* its I: by then it has asked the kernel to be killed with its parent */
        struct pollfd pollfd = {.fd = child.sock, .events = POLLIN};
        if (poll(&pollfd, 1, 60000) != 1)
            _exit(1);
        CLEANUP_FREE char *parent = status_line(child.pid, "PPid");
        pids[0] = (pid_t)strtol(parent, NULL, 10);
        pids[1] = child.pid;
        if (write(report[1], pids, sizeof(pids)) != sizeof(pids))
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(read(report[0], pids, sizeof(pids)), sizeof(pids));
    assert_false(is_gone(pids[0]));
    /* stopped, they cannot notice the end of their sockets: it is for the kernel to end them */
    kill(pids[1], SIGSTOP);
    kill(pids[0], SIGSTOP);
    kill(control, SIGKILL);
    assert_int_equal(waitpid(control, NULL, 0), control);
    wait_until_gone(pids[0]);
    wait_until_gone(pids[1]);
    close(report[0]);
    close(report[1]);
}

static void test_a_dead_spawner_is_an_error_not_a_hang(void **state)
{
    CLEANUP(spawner_freep) struct spawner *spawner = start(NULL);
    struct child child = fork_child(spawner, "none");
    struct child_settings settings = settings_of("none", false);

    (void)state;
    wait_for_idle(&child);
    CLEANUP_FREE char *parent = status_line(child.pid, "PPid");
    kill((pid_t)strtol(parent, NULL, 10), SIGKILL);
    for (int i = 0; i < 2; i++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        struct child other;
        assert_int_equal(spawner_fork(spawner, &settings, &other, &err), -1);
        assert_string_equal(err.text, "the spawner process has ended");
    }
    wait_until_gone(child.pid);
    spawner_close_child(&child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_child_has_a_socket_and_a_segment),
        cmocka_unit_test(test_reasons_of_ends_are_told),
        cmocka_unit_test(test_without_a_spawner_it_may_be_tried_again),
        cmocka_unit_test(test_only_children_can_be_waited_for),
        cmocka_unit_test(test_terminal_signals_are_left_to_the_control_process),
        cmocka_unit_test(test_signal_settings_of_the_caller_are_not_inherited),
        cmocka_unit_test(test_a_child_has_no_descriptors_but_its_own),
        cmocka_unit_test(test_a_child_is_in_the_sandbox_before_it_speaks),
        cmocka_unit_test(test_a_child_is_outside_of_it_where_that_is_asked_for),
        cmocka_unit_test(test_the_sandbox_can_be_proved_at_once),
        cmocka_unit_test(test_a_program_that_cannot_be_run_is_named),
        cmocka_unit_test(test_a_foreign_child_gets_its_environment_and_no_arguments),
        cmocka_unit_test(test_spawner_and_children_die_with_the_control_process),
        cmocka_unit_test(test_a_dead_spawner_is_an_error_not_a_hang),
    };

    return cmocka_run_group_tests_name("mtcp spawner", tests, NULL, NULL);
}
