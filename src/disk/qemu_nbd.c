/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/qemu_nbd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/process.h"
#include "base/units.h"
#include "disk/meeting.h"

/* Flushing what qemu-nbd still has can take as long as the storage takes. */
#define EXIT_WAIT_MS 120000
#define EXPLAIN_WAIT_MS 2000
#define KILL_WAIT_MS 5000
#define MAX_SAID ((size_t)16 << 10)

#define LISTEN_FD 3 /* where socket activation (sd_listen_fds(3)) expects it */

struct qemu_nbd {
    pid_t pid; /* 0: reaped */
    int status;
    int said_fd; /* a memfd: its stdout and stderr */
};

/* ---- the process ------------------------------------------------------------ */

struct launch {
    const char *const *argv;
    char **environment;
    char *listen_pid; /* in the environment: room for the digits */
    pid_t parent;
    int listen_fd;
    int said_fd;
    int status_fd;
    int null_fd;
};

#define PID_DIGITS 10

/* In the forked process, where only async-signal-safe calls are allowed. */
static void write_pid(char *digits, pid_t pid)
{
    for (int i = PID_DIGITS - 1; i >= 0; i--) {
        digits[i] = (char)('0' + pid % 10);
        pid /= 10;
    }
}

static void reset_signals(void)
{
    static const int reset[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGCHLD};
    sigset_t none;

    for (size_t i = 0; i < sizeof(reset) / sizeof(*reset); i++)
        signal(reset[i], SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The descriptors may lie anywhere, so they are moved out of the way first. */
static bool place_descriptors(const struct launch *launch, int *ret_status)
{
    int listen_fd = fcntl(launch->listen_fd, F_DUPFD_CLOEXEC, 10);
    int said = fcntl(launch->said_fd, F_DUPFD_CLOEXEC, 10);
    int null = fcntl(launch->null_fd, F_DUPFD_CLOEXEC, 10);

    *ret_status = fcntl(launch->status_fd, F_DUPFD_CLOEXEC, 10);
    if (listen_fd < 0 || said < 0 || null < 0 || *ret_status < 0 || dup2(null, 0) < 0 ||
        dup2(said, 1) < 0 || dup2(said, 2) < 0 || dup2(listen_fd, LISTEN_FD) < 0)
        return false;
    /* What libraries opened without O_CLOEXEC must not live on in qemu-nbd. Only the flag
     * is set, so that the status pipe can still tell that the exec failed. */
    syscall(SYS_close_range, LISTEN_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC);
    return true;
}

static void __attribute__((noreturn)) execute(const struct launch *launch)
{
    int status_fd = launch->status_fd;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != launch->parent)
        _exit(127);
    /* A process group of its own: the terminal's Ctrl-C and hang-up are for us, and
     * it is us who then ends it in good order. */
    setpgid(0, 0);
    reset_signals();
    process_forbid_core();
    write_pid(launch->listen_pid, getpid());
    if (place_descriptors(launch, &status_fd))
        execvpe(launch->argv[0], (char *const *)(uintptr_t)launch->argv, launch->environment);
    (void)!write(status_fd, &(int){errno}, sizeof(int));
    _exit(127);
}

static void free_environment(char ***environment)
{
    for (char **e = *environment; e && *e; e++)
        free(*e);
    free(*environment);
}

/* Ours without any LISTEN_*, and with those of socket activation. */
static char **make_environment(char **ret_listen_pid)
{
    size_t count = 0;

    while (environ[count])
        count++;
    char **environment = mem_array(count + 3, sizeof(*environment));
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], "LISTEN_", strlen("LISTEN_")) != 0)
            environment[n++] = mem_strdup(environ[i]);
    environment[n++] = mem_strdup("LISTEN_FDS=1");
    environment[n] = mem_printf("LISTEN_PID=%0*d", PID_DIGITS, 0);
    *ret_listen_pid = environment[n] + strlen("LISTEN_PID=");
    return environment;
}

static int launch_process(struct launch *launch, pid_t *ret_pid, struct err *err)
{
    int status_pipe[2];
    int failure = 0;
    size_t got = 0;

    if (pipe2(status_pipe, O_CLOEXEC) < 0)
        return err_set_errno(err, errno, "%s: cannot make a pipe", launch->argv[0]);
    CLEANUP_CLOSE int status_in = status_pipe[0];
    launch->status_fd = status_pipe[1];
    launch->parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        execute(launch);
    int fork_errno = errno;
    close(status_pipe[1]);
    if (pid < 0)
        return err_set_errno(err, fork_errno, "%s: cannot fork", launch->argv[0]);
    if (io_read_some(status_in, &failure, sizeof(failure), &got, NULL) == 0 &&
        got == sizeof(failure)) {
        waitpid(pid, NULL, 0);
        err_set_errno(err, failure, "%s: cannot run it", launch->argv[0]);
        return err_append(err, "it is part of QEMU's tools (qemu-utils, qemu-img)");
    }
    *ret_pid = pid;
    return 0;
}

static int launch_server(const struct qemu_nbd_image *image, int listen_fd, struct qemu_nbd *server,
                         struct err *err)
{
    CLEANUP(free_environment) char **environment = NULL;
    CLEANUP_CLOSE int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const char *argv[8] = {"qemu-nbd"};
    size_t n = 1;
    struct launch launch = {
        .argv = argv, .listen_fd = listen_fd, .said_fd = server->said_fd, .null_fd = null_fd};

    if (null_fd < 0)
        return err_set_errno(err, errno, "/dev/null");
    argv[n++] = image->direct ? "--cache=none" : "--cache=writeback";
    argv[n++] = "-f";
    argv[n++] = image->qemu_format;
    if (image->read_only)
        argv[n++] = "--read-only";
    argv[n] = image->path;
    environment = make_environment(&launch.listen_pid);
    launch.environment = environment;
    return launch_process(&launch, &server->pid, err);
}

int qemu_nbd_start(const struct qemu_nbd_image *image, struct qemu_nbd **ret, int *ret_socket,
                   struct err *err)
{
    CLEANUP(qemu_nbd_freep) struct qemu_nbd *server = mem_alloc(sizeof(*server));
    CLEANUP_CLOSE int listen_fd = -1;
    CLEANUP_CLOSE int connected = -1;

    server->said_fd = memfd_create("qemu-nbd", MFD_CLOEXEC);
    if (server->said_fd < 0)
        return err_set_errno(err, errno, "cannot make a memory file");
    if (meeting_sockets(&listen_fd, &connected, err) < 0 ||
        launch_server(image, listen_fd, server, err) < 0)
        return -1;
    *ret = TAKE_PTR(server);
    *ret_socket = TAKE_FD(connected);
    return 0;
}

/* ---- its end ---------------------------------------------------------------- */

/* True if it has ended and was reaped, within so many milliseconds. */
static bool wait_for_end(struct qemu_nbd *server, unsigned timeout_ms)
{
    uint64_t deadline = units_now_ms() + timeout_ms;
    int pause_ms = 1;

    while (server->pid > 0) {
        pid_t pid = waitpid(server->pid, &server->status, WNOHANG);
        if (pid == server->pid || (pid < 0 && errno == ECHILD))
            server->pid = 0;
        else if (units_now_ms() >= deadline)
            return false;
        else
            poll(NULL, 0, pause_ms);
        pause_ms = pause_ms < 20 ? pause_ms * 2 : 20;
    }
    return true;
}

/* What it said, its first line only: the second is a question to the user ("Is
 * another process using the image?"). "" if nothing. The caller frees. */
static char *first_words(const struct qemu_nbd *server)
{
    char text[MAX_SAID + 1] = "";
    size_t len = 0;
    const char *start = text;

    if (io_pread_some(server->said_fd, text, MAX_SAID, 0, &len, NULL) < 0)
        len = 0;
    text[len] = '\0';
    text[strcspn(text, "\n")] = '\0';
    if (strncmp(start, "qemu-nbd: ", 10) == 0)
        start += 10;
    /* The caller names the path. */
    const char *reason = strstr(start, "': ");
    if (strncmp(start, "Failed to blk_new_open '", 24) == 0 && reason)
        start = reason + 3;
    return mem_strdup(start);
}

static enum err_kind kind_of_words(const char *words)
{
    static const struct {
        const char *part;
        enum err_kind kind;
    } table[] = {
        {"Failed to get \"", ERR_BUSY},    {"Failed to get shared \"", ERR_BUSY},
        {"Permission denied", ERR_DENIED}, {"No space left", ERR_NO_SPACE},
        {"No such file", ERR_NOT_FOUND},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
        if (strstr(words, table[i].part))
            return table[i].kind;
    return ERR_IO;
}

int qemu_nbd_explain(struct qemu_nbd *server, struct err *err)
{
    if (err && err->kind == ERR_CANCELLED)
        return -1;
    bool ended = wait_for_end(server, EXPLAIN_WAIT_MS);
    CLEANUP_FREE char *words = first_words(server);
    if (*words && kind_of_words(words) == ERR_BUSY)
        return err_set(err, ERR_BUSY,
                       "is in use by a running guest or another program (qemu-nbd: %s)", words);
    if (*words && ended)
        return err_set(err, kind_of_words(words), "qemu-nbd: %s", words);
    if (ended && WIFSIGNALED(server->status))
        return err_append(err, "qemu-nbd was killed by signal %d", WTERMSIG(server->status));
    return -1;
}

int qemu_nbd_finish(struct qemu_nbd *server, struct err *err)
{
    if (!wait_for_end(server, EXIT_WAIT_MS)) {
        qemu_nbd_free(server);
        return err_set(err, ERR_IO, "qemu-nbd did not end");
    }
    CLEANUP_FREE char *words = first_words(server);
    int status = server->status;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        if (*words)
            log_detail("qemu-nbd: %s", words);
        qemu_nbd_free(server);
        return 0;
    }
    if (*words)
        err_set(err, kind_of_words(words), "qemu-nbd: %s", words);
    else if (WIFSIGNALED(status))
        err_set(err, ERR_IO, "qemu-nbd was killed by signal %d", WTERMSIG(status));
    else
        err_set(err, ERR_IO, "qemu-nbd exited with status %d", WEXITSTATUS(status));
    qemu_nbd_free(server);
    return -1;
}

void qemu_nbd_free(struct qemu_nbd *server)
{
    if (!server)
        return;
    if (server->pid > 0) {
        kill(server->pid, SIGKILL);
        /* A process in uninterruptible sleep on dead storage can't be waited for. */
        if (!wait_for_end(server, KILL_WAIT_MS))
            log_warn("qemu-nbd (process %d) does not end; it waits for its storage",
                     (int)server->pid);
    }
    if (server->said_fd >= 0)
        close(server->said_fd);
    free(server);
}
