/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/launch.h"
#include "base/quit.h"
#include "base/stall.h"
#include "base/text.h"

#define MAX_OUTPUT ((size_t)16 << 20)
/* What such a program does takes minutes, and decoding the memory of a large guest hours. */
#define CPU_S (24 * 3600)
#define MAX_STDERR ((size_t)64 << 10)

void process_hide(void)
{
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void process_forbid_core(void)
{
    const struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none);
}

/* The last line that is not empty, with control characters replaced by spaces. */
static char *process_last_line(int fd)
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

static int process_judge(const char *program, int status, int stderr_fd, struct err *err)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFSIGNALED(status))
        return err_set(err, ERR_IO, "%s: killed by signal %d (%s)", program, WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    CLEANUP_FREE char *line = process_last_line(stderr_fd);
    /* Most programs start their messages with their own name. */
    const char *text = text_after(line, program);
    text = text && text_begins(text, ": ") ? text + 2 : line;
    /* The exit status is 1 whatever happened; only the text tells a full file system. */
    if (*text)
        return err_set(err, strstr(text, "No space left") ? ERR_NO_SPACE : ERR_IO, "%s: %s",
                       program, text);
    return err_set(err, ERR_IO, "%s: exited with status %d", program, WEXITSTATUS(status));
}

/* Waits until there is something to read. A signal, or a stall of the program, ends the wait. */
static int process_await_output(int fd, struct stall *stall, struct err *err)
{
    struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = quit_fd(), .events = POLLIN}};

    for (;;) {
        int ready = poll(fds, 2, STALL_LOOK_MS);
        if (ready < 0 && errno != EINTR)
            return err_set_errno(err, errno, "cannot wait for it");
        if (ready > 0 && fds[0].revents) {
            stall_note(stall);
            return 0;
        }
        if (quit_check(err) < 0)
            return -1;
        if (stall_look(stall))
            return launch_stalled(err);
    }
}

/* Reads what the program writes to its end of the pipe, up to the limit. */
static int process_drain(int fd, pid_t pid, struct buf *output, size_t limit, bool *ret_more,
                         struct err *err)
{
    struct stall stall = stall_begin(pid);
    size_t most = output->len + limit;
    ssize_t n;

    do {
        /* One byte beyond the limit shows whether there is more. */
        size_t part = most + 1 - output->len < 65536 ? most + 1 - output->len : 65536;
        if (process_await_output(fd, &stall, err) < 0)
            return -1;
        n = read(fd, buf_reserve(output, part), part);
        if (n < 0 && errno != EINTR)
            return err_set_errno(err, errno, "cannot read its output");
        output->len += n > 0 ? (size_t)n : 0;
    } while (n != 0 && output->len <= most);
    *ret_more = output->len > most;
    if (*ret_more)
        output->len = most;
    return 0;
}

/* Waits for its end, and checks its status. */
static int process_finish(const char *program, struct launched *launched, int stderr_fd,
                          struct err *err)
{
    int status = 0;

    if (launch_wait_or_quit(launched, &status, err) < 0)
        return err_prefix(err, "%s", program);
    return process_judge(program, status, stderr_fd, err);
}

/* folder_fd -1: it starts in the current folder. */
static int process_run_head_in(int folder_fd, const char *const argv[], struct buf *output,
                               size_t limit, bool *ret_more, struct err *err)
{
    CLEANUP_LAUNCHED struct launched launched = LAUNCHED_INIT;
    CLEANUP_CLOSE int stderr_fd = memfd_create("stderr", MFD_CLOEXEC);
    CLEANUP_CLOSE int pipe_in = -1;
    CLEANUP_CLOSE int pipe_out = -1;
    bool more = false;
    int ends[2];

    if (stderr_fd < 0 || pipe2(ends, O_CLOEXEC) < 0)
        return err_set_errno(err, errno, "%s: cannot create its pipes", argv[0]);
    pipe_in = ends[0];
    pipe_out = ends[1];
    const int fds[] = {-1, output ? pipe_out : -1, stderr_fd};
    const struct launch launch = {.argv = argv,
                                  .fds = fds,
                                  .fd_count = 3,
                                  .cpu_s = CPU_S,
                                  .in_folder = folder_fd >= 0,
                                  .folder_fd = folder_fd};
    if (launch_start(&launch, &launched, err) < 0)
        return -1;
    close(TAKE_FD(pipe_out));
    if (output && process_drain(pipe_in, launched.pid, output, limit, &more, err) < 0)
        return err_prefix(err, "%s", argv[0]);
    *ret_more = more;
    /* If it has more output than we want, it is killed when we return: if it ignores SIGPIPE, it
     * would go on for nobody. */
    return more ? 0 : process_finish(argv[0], &launched, stderr_fd, err);
}

int process_run_head(const char *const argv[], struct buf *output, size_t limit, bool *ret_more,
                     struct err *err)
{
    return process_run_head_in(-1, argv, output, limit, ret_more, err);
}

int process_run_in(int folder_fd, const char *const argv[], struct buf *output, struct err *err)
{
    bool more = false;

    if (process_run_head_in(folder_fd, argv, output, MAX_OUTPUT, &more, err) < 0)
        return -1;
    return more ? err_set(err, ERR_IO, "%s: its output is too long", argv[0]) : 0;
}

int process_run(const char *const argv[], struct buf *output, struct err *err)
{
    return process_run_in(-1, argv, output, err);
}

int process_filter(const char *const argv[], int in_fd, int out_fd, struct err *err)
{
    CLEANUP_LAUNCHED struct launched launched = LAUNCHED_INIT;
    CLEANUP_CLOSE int stderr_fd = memfd_create("stderr", MFD_CLOEXEC);

    if (stderr_fd < 0)
        return err_set_errno(err, errno, "%s: cannot create its pipes", argv[0]);
    const int fds[] = {in_fd, out_fd, stderr_fd};
    const struct launch launch = {.argv = argv, .fds = fds, .fd_count = 3, .cpu_s = CPU_S};
    if (launch_start(&launch, &launched, err) < 0)
        return -1;
    return process_finish(argv[0], &launched, stderr_fd, err);
}
