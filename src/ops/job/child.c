/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/job/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/launch.h"
#include "base/quit.h"
#include "base/units.h"

#define LINE_MAX_SIZE ((size_t)1 << 20)
#define READ_SIZE ((size_t)64 << 10)
#define CHILD_LOOK_MS 1000
#define SIGNALLED_LOOK_MS 100 /* nothing wakes us up for a second signal, or the end of a group */
/* A guest that was down has to be started for that. */
#define UNDO_WAIT_MS (UINT64_C(10) * 60 * 1000)
#define KILLED_WAIT_MS 5000

enum child_stage { CHILD_RUNS, CHILD_TERMINATED, CHILD_KILLED };

struct child_loop {
    const struct job_child *child;
    struct launched launched;
    pid_t group;   /* of a hook; 0: it is a step */
    int output_fd; /* owned; -1: has been read to its end, or there is no pipe */
    struct buf line;
    bool ended;
    struct job_child_end end;
    unsigned signals_passed;
    enum child_stage stage;
    uint64_t deadline_ms; /* of this stage, or of the wait for the other end of the pipe; 0: none */
};

static void child_loop_clear(struct child_loop *loop)
{
    launch_clear(&loop->launched);
    if (loop->output_fd >= 0)
        close(loop->output_fd);
    buf_clear(&loop->line);
}

/* ---- what it writes ------------------------------------------------------------------- */

static void child_end_line(struct child_loop *loop)
{
    size_t len = loop->line.len;

    buf_put_u8(&loop->line, '\0');
    loop->child->line(loop->child->opaque, (const char *)loop->line.data, len);
    loop->line.len = 0;
}

static void child_take(struct child_loop *loop, const char *data, size_t len)
{
    while (len) {
        const char *newline = memchr(data, '\n', len);
        size_t part = newline ? (size_t)(newline - data) : len;
        size_t room = LINE_MAX_SIZE - loop->line.len;
        buf_append(&loop->line, data, part < room ? part : room);
        if (newline)
            child_end_line(loop);
        data += part + (newline != NULL);
        len -= part + (newline != NULL);
    }
}

/* Without waiting. */
static void child_read(struct child_loop *loop)
{
    CLEANUP_FREE char *data = mem_alloc(READ_SIZE);
    ssize_t got;

    while ((got = read(loop->output_fd, data, READ_SIZE)) > 0)
        child_take(loop, data, (size_t)got);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (loop->line.len)
        child_end_line(loop);
    close(TAKE_FD(loop->output_fd));
    loop->output_fd = -1;
}

/* ---- signals and time -------------------------------------------------------------------- */

/* A hook is a script as a rule, and its signals are for the programs that it has started, too, even
 * if it has ended before them. The number of a group is given to no other as long as it has a member. */
static void child_signal(const struct child_loop *loop, int number)
{
    if (loop->group)
        (void)kill(-loop->group, number);
    else if (!loop->ended)
        (void)syscall(SYS_pidfd_send_signal, loop->launched.pidfd, number, NULL, 0);
}

static void child_pass_signals(struct child_loop *loop)
{
    unsigned wanted = (quit_requested() != 0) + quit_insisted();

    if (wanted <= loop->signals_passed)
        return;
    loop->signals_passed = wanted;
    child_signal(loop, quit_requested());
    /* A hook has no guest to put back. */
    if (loop->group && loop->stage == CHILD_RUNS) {
        loop->stage = CHILD_TERMINATED;
        loop->deadline_ms = units_now_ms() + loop->child->grace_ms;
    }
}

/* False: it cannot be ended. */
static bool child_next_stage(struct child_loop *loop)
{
    uint64_t now_ms = units_now_ms();

    if ((loop->ended && !loop->group) || loop->deadline_ms == 0 || now_ms < loop->deadline_ms)
        return true;
    switch (loop->stage) {
    case CHILD_RUNS:
        loop->end.timed_out = true;
        loop->stage = CHILD_TERMINATED;
        loop->deadline_ms = now_ms + loop->child->grace_ms;
        child_signal(loop, SIGTERM);
        return true;
    case CHILD_TERMINATED:
        loop->stage = CHILD_KILLED;
        loop->deadline_ms = now_ms + KILLED_WAIT_MS;
        child_signal(loop, SIGKILL);
        return true;
    case CHILD_KILLED:
        break;
    }
    return false;
}

/* ---- the loop --------------------------------------------------------------------------------- */

static void child_note_end(struct child_loop *loop)
{
    loop->ended = launch_wait(&loop->launched, 0, &loop->end.status);
    if (!loop->ended)
        return;
    if (loop->output_fd >= 0)
        child_read(loop);
    if (!loop->group)
        loop->deadline_ms = units_now_ms() + (WIFSIGNALED(loop->end.status) ? UNDO_WAIT_MS : 0);
}

/* Whether a hook that was told to end has left processes that are still to do so. What a hook leaves
 * that has ended by itself is meant to stay. */
static bool child_has_left_some(const struct child_loop *loop)
{
    return loop->group && loop->stage == CHILD_TERMINATED && kill(-loop->group, 0) == 0;
}

static bool child_is_over(const struct child_loop *loop)
{
    return loop->ended && !child_has_left_some(loop) &&
           (loop->output_fd < 0 || quit_insisted() || units_now_ms() >= loop->deadline_ms);
}

static int child_timeout(const struct child_loop *loop)
{
    uint64_t now_ms = units_now_ms();
    bool nothing_wakes = loop->signals_passed || loop->ended || quit_fd() < 0;
    uint64_t most_ms = nothing_wakes ? SIGNALLED_LOOK_MS : CHILD_LOOK_MS;

    if (loop->deadline_ms && loop->deadline_ms < now_ms + most_ms)
        return loop->deadline_ms > now_ms ? (int)(loop->deadline_ms - now_ms) : 0;
    return (int)most_ms;
}

static int child_await(struct child_loop *loop, struct err *err)
{
    while (!child_is_over(loop)) {
        struct pollfd fds[] = {
            {.fd = loop->output_fd, .events = POLLIN},
            {.fd = loop->ended ? -1 : loop->launched.pidfd, .events = POLLIN},
            {.fd = loop->signals_passed ? -1 : quit_fd(), .events = POLLIN},
        };
        if (poll(fds, 3, child_timeout(loop)) > 0) {
            if (fds[0].revents)
                child_read(loop);
            if (fds[1].revents)
                child_note_end(loop);
        }
        watch_beat(loop->child->watch);
        child_pass_signals(loop);
        if (!child_next_stage(loop))
            return err_set(err, ERR_IO, "does not end, not even after SIGKILL");
    }
    return 0;
}

static int child_make_pipe(struct child_loop *loop, int *ret_writer, struct err *err)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set_errno(err, errno, "cannot create a pipe");
    loop->output_fd = ends[0];
    *ret_writer = ends[1];
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
        return err_set_errno(err, errno, "cannot set up a pipe");
    return 0;
}

static int child_start(struct child_loop *loop, struct err *err)
{
    const struct job_child *child = loop->child;
    CLEANUP_CLOSE int writer = -1;

    if (child->line && child_make_pipe(loop, &writer, err) < 0)
        return -1;
    const struct launch launch = {
        .argv = child->argv,
        .path = child->path,
        .settings = child->settings,
        .fds = (const int[]){child->input_fd, child->line ? writer : STDERR_FILENO,
                             child->silent ? -1 : STDERR_FILENO},
        .fd_count = 3,
    };
    return launch_start(&launch, &loop->launched, err);
}

/* Its start, too, is not ended by a signal that came before. */
static int child_start_undoing(struct child_loop *loop, struct err *err)
{
    QUIT_DEFERRED();
    return child_start(loop, err);
}

int job_child_run(const struct job_child *child, struct job_child_end *ret, struct err *err)
{
    CLEANUP(child_loop_clear)
    struct child_loop loop = {.child = child, .launched = LAUNCHED_INIT, .output_fd = -1};

    if (!child->undoing && quit_check(err) < 0)
        return -1;
    /* What undoes is not meant by a first signal, nor by those that came before. */
    loop.signals_passed = child->undoing ? 1 + quit_insisted() : 0;
    if ((child->undoing ? child_start_undoing : child_start)(&loop, err) < 0)
        return -1;
    if (child->limit_ms) {
        loop.group = loop.launched.pid;
        loop.deadline_ms = units_now_ms() + child->limit_ms;
    }
    if (child_await(&loop, err) < 0)
        return -1;
    *ret = loop.end;
    return 0;
}
