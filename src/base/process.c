/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/io.h"

#define MAX_OUTPUT ((size_t)16 << 20)
#define MAX_STDERR ((size_t)64 << 10)

struct stdio {
    int in;
    int out;
    int err;
};

void process_hide(void)
{
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void process_forbid_core(void)
{
    const struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none);
}

/* In the forked process. Only async-signal-safe calls: the parent has threads. */
static void __attribute__((noreturn))
execute(const char *const argv[], const struct stdio *stdio, pid_t parent, int status_fd)
{
    static const int reset[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    for (size_t i = 0; i < sizeof(reset) / sizeof(*reset); i++)
        signal(reset[i], SIG_DFL);
    process_forbid_core();
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(stdio->in, STDIN_FILENO) >= 0 && dup2(stdio->out, STDOUT_FILENO) >= 0 &&
        dup2(stdio->err, STDERR_FILENO) >= 0)
        execvp(argv[0], (char *const *)(uintptr_t)argv);
    (void)!write(status_fd, &(int){errno}, sizeof(int));
    _exit(127);
}

/* Forks and executes; returns when the program is running or could not be. */
static int start(const char *const argv[], const struct stdio *stdio, pid_t *ret_pid,
                 struct err *err)
{
    int status_pipe[2];
    int failure = 0;
    size_t got = 0;

    if (pipe2(status_pipe, O_CLOEXEC) < 0)
        return err_set_errno(err, errno, "%s: cannot make a pipe", argv[0]);
    CLEANUP_CLOSE int status_in = status_pipe[0];
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        execute(argv, stdio, parent, status_pipe[1]);
    int fork_errno = errno;
    close(status_pipe[1]);
    if (pid < 0)
        return err_set_errno(err, fork_errno, "%s: cannot fork", argv[0]);
    if (io_read_some(status_in, &failure, sizeof(failure), &got, err) < 0)
        got = 0;
    if (got == sizeof(failure)) {
        waitpid(pid, NULL, 0);
        return err_set_errno(err, failure, "%s: cannot run it", argv[0]);
    }
    *ret_pid = pid;
    return 0;
}

/* The last line that is not empty, with control characters made blanks. */
static char *last_line(int fd)
{
    CLEANUP_FREE char *text = mem_alloc(MAX_STDERR + 1);
    off_t size = lseek(fd, 0, SEEK_END);
    off_t from = size > (off_t)MAX_STDERR ? size - (off_t)MAX_STDERR : 0;
    size_t len = 0;

    if (io_pread_some(fd, text, MAX_STDERR, (uint64_t)from, &len, NULL) < 0)
        len = 0;
    while (len && (text[len - 1] == '\n' || text[len - 1] == ' '))
        len--;
    size_t first = len;
    while (first && text[first - 1] != '\n')
        first--;
    for (size_t i = first; i < len; i++)
        if ((unsigned char)text[i] < ' ')
            text[i] = ' ';
    return mem_strndup(text + first, len - first);
}

static int judge(const char *program, int status, int stderr_fd, struct err *err)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFSIGNALED(status))
        return err_set(err, ERR_IO, "%s: killed by signal %d (%s)", program, WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    CLEANUP_FREE char *line = last_line(stderr_fd);
    size_t len = strlen(program);
    /* Most programs begin their messages with their own name. */
    const char *text = strncmp(line, program, len) == 0 && strncmp(line + len, ": ", 2) == 0
                           ? line + len + 2
                           : line;
    if (*text)
        return err_set(err, strstr(text, "No space left") ? ERR_NO_SPACE : ERR_IO, "%s: %s",
                       program, text);
    return err_set(err, ERR_IO, "%s: exited with status %d", program, WEXITSTATUS(status));
}

/* Reads what the program writes to its end of the pipe, up to the limit. */
static int drain(int fd, const char *program, struct buf *output, size_t limit, bool *ret_more,
                 struct err *err)
{
    size_t most = output->len + limit;
    size_t n = 0;

    do {
        /* One byte beyond the limit tells whether there is more. */
        size_t part = most + 1 - output->len < 65536 ? most + 1 - output->len : 65536;
        if (io_read_some(fd, buf_reserve(output, part), part, &n, err) < 0)
            return err_prefix(err, "%s: its output", program);
        output->len += n;
    } while (n > 0 && output->len <= most);
    *ret_more = output->len > most;
    if (*ret_more)
        output->len = most;
    return 0;
}

static int finish(const char *program, pid_t pid, int stderr_fd, struct err *err)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_set_errno(err, errno, "%s: cannot wait for it", program);
    return judge(program, status, stderr_fd, err);
}

int process_run_head(const char *const argv[], struct buf *output, size_t limit, bool *ret_more,
                     struct err *err)
{
    CLEANUP_CLOSE int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    CLEANUP_CLOSE int stderr_fd = memfd_create("stderr", MFD_CLOEXEC);
    CLEANUP_CLOSE int pipe_in = -1;
    CLEANUP_CLOSE int pipe_out = -1;
    CLEANUP_ERR struct err drain_err = ERR_INIT;
    bool more = false;
    int ends[2];
    pid_t pid = -1;

    if (null_fd < 0 || stderr_fd < 0 || pipe2(ends, O_CLOEXEC) < 0)
        return err_set_errno(err, errno, "%s: cannot make its descriptors", argv[0]);
    pipe_in = ends[0];
    pipe_out = ends[1];
    struct stdio stdio = {null_fd, output ? pipe_out : null_fd, stderr_fd};
    if (start(argv, &stdio, &pid, err) < 0)
        return -1;
    close(TAKE_FD(pipe_out));
    int drained = output ? drain(pipe_in, argv[0], output, limit, &more, &drain_err) : 0;
    /* A program that still writes must not wait for us for ever, and one that ignores SIGPIPE
     * must not go on for nobody. */
    close(TAKE_FD(pipe_in));
    if (more || drained < 0)
        kill(pid, SIGKILL);
    if (finish(argv[0], pid, stderr_fd, more || drained < 0 ? NULL : err) < 0 && !more &&
        drained == 0)
        return -1;
    if (drained < 0)
        return err_move(err, &drain_err);
    *ret_more = more;
    return 0;
}

int process_run(const char *const argv[], struct buf *output, struct err *err)
{
    bool more = false;

    if (process_run_head(argv, output, MAX_OUTPUT, &more, err) < 0)
        return -1;
    return more ? err_set(err, ERR_IO, "%s: its output has no end", argv[0]) : 0;
}

int process_filter(const char *const argv[], int in_fd, int out_fd, struct err *err)
{
    CLEANUP_CLOSE int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CLEANUP_CLOSE int stderr_fd = memfd_create("stderr", MFD_CLOEXEC);
    pid_t pid = -1;

    if (null_fd < 0 || stderr_fd < 0)
        return err_set_errno(err, errno, "%s: cannot make its descriptors", argv[0]);
    struct stdio stdio = {in_fd < 0 ? null_fd : in_fd, out_fd, stderr_fd};
    if (start(argv, &stdio, &pid, err) < 0)
        return -1;
    return finish(argv[0], pid, stderr_fd, err);
}
