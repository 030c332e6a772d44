/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtcp/spawner_process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/launch.h"
#include "base/pass.h"
#include "base/quit.h"
#include "base/sandbox.h"
#include "base/units.h"
#include "mtcp/child.h"
#include "mtcp/shared.h"
#include "mtcp/spawner_child.h"
#include "mtcp/spawner_index.h"
#include "mtcp/spawner_parse.h"

#define REAP_LOOK_MS 5
#define KILL_WAIT_MS 5000

/* A terminal sends its signals to the whole group; it is for the control process
 * to decide what they mean. SIGTERM ends us. */
static void reset_signals(void)
{
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTSTP, SIG_IGN);
    signal(SIGTTIN, SIG_IGN);
    signal(SIGTTOU, SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* ---- foreign children ------------------------------------------------------ */

/* Its socket is its standard input and output; standard error is ours. */
static int start_command(const char *command, const struct child_settings *settings, int sock,
                         pid_t *ret_pid, struct err *err)
{
    char type[CODEC_TEXT_SIZE];
    CLEANUP_FREE char *compression =
        mem_printf("MTCP_COMPRESSION=%s", codec_format(&settings->codec, type));
    CLEANUP_FREE char *chunk_size = mem_printf("MTCP_CHUNK_SIZE=%" PRIu64, settings->chunk_size);
    const char *const variables[] = {
        compression, settings->decode ? "MTCP_DECODE=1" : "MTCP_DECODE=0", chunk_size,
        settings->block_digests ? "MTCP_BLOCK_DIGESTS=1" : "MTCP_BLOCK_DIGESTS=0", NULL};
    const char *const argv[] = {command, NULL};
    const int fds[] = {sock, sock, STDERR_FILENO};
    const struct launch launch = {
        .argv = argv, .path = command, .settings = variables, .fds = fds, .fd_count = 3};
    struct launched launched;

    if (!command)
        return err_set(err, ERR_USAGE, "no program for foreign child processes is given");
    if (launch_start(&launch, &launched, err) < 0)
        return err_prefix(err, "cannot start a child process");
    *ret_pid = launched.pid;
    close(launched.pidfd); /* SPAWNER_WAIT waits by pid for all children alike */
    return 0;
}

/* ---- requests -------------------------------------------------------------- */

struct spawning {
    int sock;
    const char *child_command;
    bool proved; /* the sandbox was tried out, and denies */
};

static int send_answer(int sock, const struct spawner_answer *answer, const int fds[static 2])
{
    return pass_send(sock, answer, sizeof(*answer), fds, 2);
}

/* Once, before the first child that relies on it. */
static int prove_once(struct spawning *spawning, struct err *err)
{
    if (spawning->proved)
        return 0;
    sandbox_warm_up(); /* all children are forked with what it has loaded */
    if (child_prove_sandbox(err) < 0)
        return -1;
    spawning->proved = true;
    return 0;
}

static int answer_prove(struct spawning *spawning, struct err *err)
{
    struct spawner_answer answer = {.kind = ERR_NONE};

    if (prove_once(spawning, err) < 0)
        return -1;
    if (send_answer(spawning->sock, &answer, (const int[]){-1, -1}) < 0)
        _exit(EXIT_FAILURE);
    return 0;
}

/* Forks one child and answers. -1 (err set): nothing was forked or sent. */
static int answer_fork(struct spawning *spawning, const struct child_settings *settings,
                       struct err *err)
{
    struct spawner_answer answer = {.kind = ERR_NONE};
    CLEANUP(spawner_child_clear_segment) struct spawner_child_segment segment = {.fd = -1};
    struct shared_layout layout;
    pid_t parent = getpid();
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_set_errno(err, errno, "cannot create a socket for a child process");
    CLEANUP_CLOSE int ours = pair[0];
    CLEANUP_CLOSE int theirs = pair[1];
    fcntl(ours, F_SETFL, O_NONBLOCK);
    if (settings->foreign) {
        if (start_command(spawning->child_command, settings, theirs, &answer.pid, err) < 0)
            return -1;
    } else {
        shared_layout(settings, &layout);
        segment.size = answer.shared_size = layout.total_size;
        if ((!settings->unconfined && prove_once(spawning, err) < 0) ||
            spawner_child_make_segment(&segment, err) < 0)
            return -1;
        answer.pid = fork();
        if (answer.pid < 0)
            return err_set_errno(err, errno, "cannot fork a child process");
        if (answer.pid == 0)
            spawner_child_run(settings, theirs, &segment, parent);
    }
    if (send_answer(spawning->sock, &answer, (const int[]){ours, segment.fd}) < 0)
        _exit(EXIT_FAILURE);
    return 0;
}

/* Forks the process that reads an index or parses something else, and answers with the end of its
 * socket. */
static int answer_apart(struct spawning *spawning, const struct spawner_request *request,
                        int file_fd, struct err *err)
{
    bool index = request->kind == SPAWNER_INDEX;
    bool unconfined = index ? request->index.unconfined : request->parse.unconfined;
    struct spawner_answer answer = {.kind = ERR_NONE};
    pid_t parent = getpid();
    int pair[2];

    if (!unconfined && prove_once(spawning, err) < 0)
        return -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_set_errno(err, errno, "cannot create a socket for a child process");
    CLEANUP_CLOSE int ours = pair[0];
    CLEANUP_CLOSE int theirs = pair[1];
    if (!index)
        spawner_parse_warm_up();
    answer.pid = fork();
    if (answer.pid < 0)
        return err_set_errno(err, errno, "cannot fork a child process");
    if (answer.pid == 0 && index)
        spawner_index_run(&request->index, theirs, file_fd, parent);
    if (answer.pid == 0)
        spawner_parse_run(&request->parse, theirs, parent);
    if (send_answer(spawning->sock, &answer, (const int[]){ours, -1}) < 0)
        _exit(EXIT_FAILURE);
    return 0;
}

/* As waitpid, for at most timeout_ms: 0 if it still runs then. */
static pid_t reap_within(pid_t pid, unsigned timeout_ms, int *ret_status)
{
    CLEANUP_CLOSE int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    uint64_t deadline_ms = units_now_ms() + timeout_ms;

    for (;;) {
        pid_t ended = waitpid(pid, ret_status, WNOHANG);
        uint64_t now_ms = units_now_ms();
        if (ended != 0 || now_ms >= deadline_ms)
            return ended;
        /* without a descriptor for it, we have to look */
        poll(&pollfd, 1, fd < 0 ? REAP_LOOK_MS : (int)(deadline_ms - now_ms));
    }
}

static int answer_wait(const struct spawning *spawning, const struct spawner_request *request,
                       struct err *err)
{
    struct spawner_answer answer = {.kind = ERR_NONE, .pid = request->pid};
    int status = 0;
    pid_t ended = -1;

    if (request->pid > 0)
        ended = reap_within(request->pid, request->grace_ms, &status);
    else
        errno = ECHILD;

    if (ended < 0) /* not a child of ours: never killed */
        return err_set_errno(err, errno, "cannot wait for child process %d", (int)request->pid);
    /* Only we reap, so the pid of a child cannot have become another process's. */
    bool by_us = ended == 0;
    if (by_us) {
        kill(request->pid, SIGKILL);
        ended = reap_within(request->pid, KILL_WAIT_MS, &status);
    }
    if (ended <= 0)
        snprintf(answer.text, sizeof(answer.text), "cannot be killed; check its storage");
    else if (WIFSIGNALED(status)) {
        snprintf(answer.text, sizeof(answer.text), "killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
        answer.from_outside = !by_us && WTERMSIG(status) == SIGKILL;
    } else
        snprintf(answer.text, sizeof(answer.text), "exited with status %d", WEXITSTATUS(status));
    if (send_answer(spawning->sock, &answer, (const int[]){-1, -1}) < 0)
        _exit(EXIT_FAILURE);
    return 0;
}

static void refuse_request(const struct spawning *spawning, const struct err *failed)
{
    struct spawner_answer answer = {.kind = failed->kind, .errnum = failed->errnum};

    snprintf(answer.text, sizeof(answer.text), "%s", failed->text);
    if (send_answer(spawning->sock, &answer, (const int[]){-1, -1}) < 0)
        _exit(EXIT_FAILURE);
}

static int serve_spawner_request(struct spawning *spawning, const struct spawner_request *request,
                                 int fd, struct err *err)
{
    switch (request->kind) {
    case SPAWNER_PROVE:
        return answer_prove(spawning, err);
    case SPAWNER_FORK:
        return answer_fork(spawning, &request->settings, err);
    case SPAWNER_INDEX:
    case SPAWNER_PARSE:
        return answer_apart(spawning, request, fd, err);
    case SPAWNER_WAIT:
        break;
    }
    return answer_wait(spawning, request, err);
}

void spawner_process_run(int sock, const char *child_command, pid_t parent)
{
    struct spawning spawning = {.sock = SPAWNER_CHILD_SOCK, .child_command = child_command};
    struct spawner_request request;

    spawner_child_die_with(parent);
    prctl(PR_SET_NAME, "vb-spawner");
    reset_signals();
    quit_forget();
    spawner_child_keep_only(sock);
    for (;;) {
        CLEANUP_ERR struct err failed = ERR_INIT;
        CLEANUP_CLOSE int fd = -1;
        ssize_t len = pass_receive(spawning.sock, &request, sizeof(request), &fd, 1);
        if (len != (ssize_t)sizeof(request))
            _exit(len == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
        if (serve_spawner_request(&spawning, &request, fd, &failed) < 0)
            refuse_request(&spawning, &failed);
    }
}
