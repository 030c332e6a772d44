/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/out.h"
#include "base/quit.h"

/* A test's scenario is run in a process of its own, with this standard output; the
 * alarm ends one that waits for a reader. What it returns is its exit status. */
static pid_t start(int (*scenario)(int report), int out_fd, int report)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    dup2(out_fd, STDOUT_FILENO);
    dup2(out_fd, STDERR_FILENO);
    alarm(60);
    _exit(scenario(report));
}

static int end_of(pid_t pid)
{
    int status = 0;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void tell(int report, char what)
{
    (void)!write(report, &what, 1);
}

static char hear(int fd)
{
    char what = '?';

    assert_int_equal(read(fd, &what, 1), 1);
    return what;
}

static void fill(int fd)
{
    static const char filler[4096] = "";
    int flags = fcntl(fd, F_GETFL);

    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    while (write(fd, filler, sizeof(filler)) > 0)
        ;
    while (write(fd, filler, 1) > 0)
        ;
    fcntl(fd, F_SETFL, flags);
}

/* All that comes until the other side is closed, without the filler. */
static char *read_rest(int fd)
{
    struct buf text = {0};
    char part[4096];
    ssize_t n;

    while ((n = read(fd, part, sizeof(part))) > 0)
        for (ssize_t i = 0; i < n; i++)
            if (part[i])
                buf_put_u8(&text, (uint8_t)part[i]);
    return buf_take_str(&text);
}

static int speak_while_held(int report)
{
    out_hold();
    out_write(OUT_RESULTS, "one\n");
    out_write(OUT_MESSAGES, "two\n");
    out_offer(OUT_MESSAGES, "progress\n");
    out_hold();
    out_write(OUT_RESULTS, "three\n");
    out_release();
    tell(report, 'h'); /* all said, and nobody has read it */
    out_release();
    tell(report, 'r');
    out_write(OUT_RESULTS, "four\n");
    return out_failure();
}

/* The ends of a pipe, a pair of sockets, a terminal: to be written to, to be read from. */
typedef void make_ends(int ends[2]);

static void make_pipe(int ends[2])
{
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
}

static void make_sockets(int ends[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
}

static void held_output_waits_for_no_reader(make_ends *make)
{
    int report[2];
    int ends[2];

    make_pipe(report);
    make(ends);
    fill(ends[1]);
    pid_t pid = start(speak_while_held, ends[1], report[1]);
    close(ends[1]);
    assert_int_equal(hear(report[0]), 'h');
    assert_int_equal(poll(&(struct pollfd){.fd = report[0], .events = POLLIN}, 1, 50), 0);
    CLEANUP_FREE char *text = read_rest(ends[0]); /* released: it waits for us */
    assert_int_equal(hear(report[0]), 'r');
    assert_string_equal(text, "one\ntwo\nthree\nfour\n");
    assert_int_equal(end_of(pid), 0);
    close(ends[0]);
    close(report[0]);
    close(report[1]);
}

static void a_full_pipe_holds_nothing_up(void **state)
{
    (void)state;
    held_output_waits_for_no_reader(make_pipe);
}

static void a_full_socket_holds_nothing_up(void **state)
{
    (void)state;
    held_output_waits_for_no_reader(make_sockets);
}

static void a_stopped_terminal_holds_nothing_up(void **state)
{
    int report[2];
    int master = -1;
    int slave = -1;
    char text[128];
    size_t len = 0;

    (void)state;
    make_pipe(report);
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    assert_int_equal(tcflow(slave, TCOOFF), 0); /* Ctrl-S */
    pid_t pid = start(speak_while_held, slave, report[1]);
    assert_int_equal(hear(report[0]), 'h');
    assert_int_equal(tcflow(slave, TCOON), 0);
    while (!memmem(text, len, "four", 4)) {
        ssize_t n = read(master, text + len, sizeof(text) - len);
        assert_true(n > 0);
        len += (size_t)n;
    }
    assert_memory_equal(text, "one\r\ntwo\r\nthree\r\n", 17);
    assert_int_equal(end_of(pid), 0);
    close(master);
    close(slave);
    close(report[0]);
    close(report[1]);
}

static int say_too_much(int report)
{
    CLEANUP_FREE char *line = mem_printf("%0*d\n", 99999, 1);

    out_hold();
    for (int i = 0; i < 100; i++)
        out_write(OUT_RESULTS, line);
    tell(report, 'h');
    out_release();
    return 0;
}

static void what_is_kept_has_a_bound(void **state)
{
    int report[2];
    int ends[2];

    (void)state;
    make_pipe(report);
    make_pipe(ends);
    fill(ends[1]);
    pid_t pid = start(say_too_much, ends[1], report[1]);
    close(ends[1]);
    assert_int_equal(hear(report[0]), 'h');
    CLEANUP_FREE char *text = read_rest(ends[0]);
    assert_true(strlen(text) > 4000000 && strlen(text) < 4300000);
    assert_text_has(text, "1\nvirt-backup: warning: nobody read");
    assert_int_equal(end_of(pid), 0);
    close(ends[0]);
    close(report[0]);
    close(report[1]);
}

static int write_until_told_to_stop(int report)
{
    if (quit_install(NULL) < 0)
        return 1;
    tell(report, 's');
    out_write(OUT_RESULTS, "nobody reads this\n");
    out_write(OUT_RESULTS, "nor this\n");
    return out_failure() == ETIMEDOUT ? 0 : 2;
}

static void a_signal_ends_the_wait_for_a_reader(void **state)
{
    int report[2];
    int ends[2];

    (void)state;
    make_pipe(report);
    make_pipe(ends);
    fill(ends[1]);
    pid_t pid = start(write_until_told_to_stop, ends[1], report[1]);
    assert_int_equal(hear(report[0]), 's');
    kill(pid, SIGTERM);
    assert_int_equal(end_of(pid), 0);
    for (int i = 0; i < 2; i++) {
        close(ends[i]);
        close(report[i]);
    }
}

static int write_to_nobody(int report)
{
    (void)report;
    if (quit_install(NULL) < 0)
        return 1;
    out_hold();
    out_write(OUT_RESULTS, "lost\n");
    out_release();
    return out_failure() == EPIPE ? 0 : 2;
}

static void a_reader_that_has_gone_is_noticed(void **state)
{
    int ends[2];

    (void)state;
    make_pipe(ends);
    close(ends[0]);
    assert_int_equal(end_of(start(write_to_nobody, ends[1], -1)), 0);
    close(ends[1]);
}

static int write_to_a_file(int report)
{
    (void)report;
    out_hold();
    out_write(OUT_RESULTS, "behind");
    out_release();
    return out_failure();
}

static void a_file_is_written_to_where_it_ends(void **state)
{
    const struct scratch *scratch = *state;

    scratch_write(scratch, "log", "before ");
    int fd = openat(scratch->fd, "log", O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(end_of(start(write_to_a_file, fd, -1)), 0);
    close(fd);
    scratch_assert_text(scratch, "log", "before behind");
}

static int last_words(int report)
{
    if (quit_install(NULL) < 0)
        return 1;
    (void)report;
    out_last_words("virt-backup: the end\n");
    return 0;
}

static void last_words_wait_for_nobody(void **state)
{
    int ends[2];

    (void)state;
    make_pipe(ends);
    fill(ends[1]);
    assert_int_equal(end_of(start(last_words, ends[1], -1)), 0);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_pipe_holds_nothing_up),
        cmocka_unit_test(a_full_socket_holds_nothing_up),
        cmocka_unit_test(a_stopped_terminal_holds_nothing_up),
        cmocka_unit_test(what_is_kept_has_a_bound),
        cmocka_unit_test(a_signal_ends_the_wait_for_a_reader),
        cmocka_unit_test(a_reader_that_has_gone_is_noticed),
        cmocka_unit_test_setup_teardown(a_file_is_written_to_where_it_ends, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test(last_words_wait_for_nobody),
    };

    return cmocka_run_group_tests_name("base out", tests, NULL, NULL);
}
