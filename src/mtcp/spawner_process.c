/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtcp/spawner_process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/units.h"
#include "mtcp/child.h"
#include "mtcp/shared.h"

/* The descriptor on which spawner and children have their socket. */
#define OWN_FD 3

/* ---- what a new process does first ----------------------------------------- */

/* The kernel ends us when our parent dies; if it has died before we could ask
 * for that, we end ourselves. */
static void die_with(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_FAILURE);
}

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
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Leaves open standard error, OWN_FD with what was `sock`, and nothing else but
 * /dev/null on standard input and output. */
static void keep_only(int sock)
{
    struct rlimit limit = {.rlim_cur = 1024};

    if (sock != OWN_FD && dup3(sock, OWN_FD, O_CLOEXEC) < 0)
        _exit(EXIT_FAILURE);
    if (close_range(OWN_FD + 1, ~0U, 0) < 0) { /* Linux before 5.9 */
        getrlimit(RLIMIT_NOFILE, &limit);
        for (int fd = OWN_FD + 1; fd < (int)limit.rlim_cur && fd < 65536; fd++)
            close(fd);
    }
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        if (null > OWN_FD)
            close(null);
    }
}

/* ---- children of our own --------------------------------------------------- */

struct segment {
    int fd;
    uint8_t *data; /* mapped */
    size_t size;
};

static void segment_clear(struct segment *segment)
{
    if (segment->data)
        munmap(segment->data, segment->size);
    if (segment->fd >= 0)
        close(segment->fd);
}

/* All pages are taken now: a machine that has not got them says so here, and not
 * by a SIGBUS in the middle of a chunk. The size is sealed for the same reason. */
static int segment_make(struct segment *segment, struct err *err)
{
    char text[UNITS_TEXT_SIZE];
    int failed = 0;

    segment->fd = memfd_create("vb-chunks", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (segment->fd < 0 || ftruncate(segment->fd, (off_t)segment->size) < 0)
        failed = errno;
    while (!failed && fallocate(segment->fd, 0, 0, (off_t)segment->size) < 0) {
        if (errno != EINTR)
            failed = errno;
    }
    if (!failed && fcntl(segment->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        failed = errno;
    if (!failed) {
        void *data = mmap(NULL, segment->size, PROT_READ | PROT_WRITE, MAP_SHARED, segment->fd, 0);
        if (data != MAP_FAILED) {
            segment->data = data;
            return 0;
        }
        failed = errno;
    }
    /* "no space left on device" would send the reader looking for a disk */
    return err_set_errno(err, failed == ENOSPC ? ENOMEM : failed,
                         "cannot get %s of memory for the buffers of a child process",
                         units_format_size(segment->size, text));
}

static void __attribute__((noreturn))
run_child(const struct child_settings *settings, int sock, struct segment *segment, pid_t parent)
{
    die_with(parent);
    prctl(PR_SET_NAME, "vb-child");
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    keep_only(sock);
    int status = child_serve(settings, OWN_FD, OWN_FD, segment->data, segment->size, NULL);
    _exit(status < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* ---- foreign children ------------------------------------------------------ */

static void set_environment(const struct child_settings *settings)
{
    char type[CODEC_TEXT_SIZE];
    CLEANUP_FREE char *chunk_size = mem_printf("%" PRIu64, settings->chunk_size);

    setenv("MTCP_COMPRESSION", codec_format(&settings->codec, type), 1);
    setenv("MTCP_DECODE", settings->decode ? "1" : "0", 1);
    setenv("MTCP_CHUNK_SIZE", chunk_size, 1);
}

/* All other descriptors close with the exec; report_fd carries errno if it fails. */
static void __attribute__((noreturn))
run_command(const char *command, const struct child_settings *settings, int sock, int report_fd,
            pid_t parent)
{
    char *argv[] = {mem_strdup(command), NULL};
    int failed;

    die_with(parent);
    set_environment(settings);
    signal(SIGPIPE, SIG_DFL);
    if (dup2(sock, STDIN_FILENO) >= 0 && dup2(sock, STDOUT_FILENO) >= 0)
        execv(command, argv);
    failed = errno;
    (void)!write(report_fd, &failed, sizeof(failed));
    _exit(127);
}

/* 0 if the program runs, else why it does not. */
static int read_report(int fd)
{
    int failed = 0;
    ssize_t len;

    do {
        len = read(fd, &failed, sizeof(failed));
    } while (len < 0 && errno == EINTR);
    return len == (ssize_t)sizeof(failed) ? failed : 0;
}

static int start_command(const char *command, const struct child_settings *settings, int sock,
                         pid_t *ret_pid, struct err *err)
{
    pid_t parent = getpid();
    int report[2];

    if (!command)
        return err_set(err, ERR_USAGE, "no program for foreign child processes is given");
    if (pipe2(report, O_CLOEXEC) < 0)
        return err_set_errno(err, errno, "cannot make a pipe");
    CLEANUP_CLOSE int reading = report[0];
    CLEANUP_CLOSE int writing = report[1];
    pid_t pid = fork();
    if (pid < 0)
        return err_set_errno(err, errno, "cannot fork a child process");
    if (pid == 0)
        run_command(command, settings, sock, writing, parent);
    close(TAKE_FD(writing));
    int failed = read_report(reading);
    if (failed) {
        waitpid(pid, NULL, 0);
        return err_set_errno(err, failed, "cannot run '%s' as a child process", command);
    }
    *ret_pid = pid;
    return 0;
}

/* ---- requests -------------------------------------------------------------- */

struct spawning {
    int sock;
    const char *child_command;
};

static int send_answer(int sock, const struct spawner_answer *answer, const int fds[static 2])
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(2 * sizeof(int))];
    } control = {0};
    size_t size = (fds[0] >= 0 ? sizeof(int) : 0) + (fds[1] >= 0 ? sizeof(int) : 0);
    struct iovec iov = {.iov_base = (void *)(uintptr_t)answer, .iov_len = sizeof(*answer)};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t len;

    if (size > 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(size);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(size);
        memcpy(CMSG_DATA(header), fds, size);
    }
    do {
        len = sendmsg(sock, &message, MSG_NOSIGNAL);
    } while (len < 0 && errno == EINTR);
    return len == (ssize_t)sizeof(*answer) ? 0 : -1;
}

/* Forks one child and answers. -1 (err set): nothing was forked or sent. */
static int do_fork(const struct spawning *spawning, const struct child_settings *settings,
                   struct err *err)
{
    struct spawner_answer answer = {.kind = ERR_NONE};
    CLEANUP(segment_clear) struct segment segment = {.fd = -1};
    struct shared_layout layout;
    pid_t parent = getpid();
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_set_errno(err, errno, "cannot make a socket for a child process");
    CLEANUP_CLOSE int ours = pair[0];
    CLEANUP_CLOSE int theirs = pair[1];
    fcntl(ours, F_SETFL, O_NONBLOCK);
    if (settings->foreign) {
        if (start_command(spawning->child_command, settings, theirs, &answer.pid, err) < 0)
            return -1;
    } else {
        shared_layout(settings, &layout);
        segment.size = answer.shared_size = layout.total_size;
        if (segment_make(&segment, err) < 0)
            return -1;
        answer.pid = fork();
        if (answer.pid < 0)
            return err_set_errno(err, errno, "cannot fork a child process");
        if (answer.pid == 0)
            run_child(settings, theirs, &segment, parent);
    }
    if (send_answer(spawning->sock, &answer, (const int[]){ours, segment.fd}) < 0)
        _exit(EXIT_FAILURE);
    return 0;
}

/* True if the process ends within timeout_ms. */
static bool ends_within(pid_t pid, unsigned timeout_ms)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};

    if (fd < 0)
        return false;
    int ready = poll(&pollfd, 1, (int)timeout_ms);
    close(fd);
    return ready > 0;
}

static int do_wait(const struct spawning *spawning, const struct spawner_request *request,
                   struct err *err)
{
    struct spawner_answer answer = {.kind = ERR_NONE, .pid = request->pid};
    siginfo_t info = {0};
    int status = 0;
    pid_t pid;

    /* Only we reap, so the pid of a child can't have become another process's. */
    if (!ends_within(request->pid, request->grace_ms) &&
        waitid(P_PID, (id_t)request->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
        kill(request->pid, SIGKILL);
    do {
        pid = waitpid(request->pid, &status, 0);
    } while (pid < 0 && errno == EINTR);
    if (pid < 0)
        return err_set_errno(err, errno, "cannot wait for child process %d", (int)request->pid);
    if (WIFSIGNALED(status))
        snprintf(answer.text, sizeof(answer.text), "killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(answer.text, sizeof(answer.text), "exited with status %d", WEXITSTATUS(status));
    if (send_answer(spawning->sock, &answer, (const int[]){-1, -1}) < 0)
        _exit(EXIT_FAILURE);
    return 0;
}

static void refuse(const struct spawning *spawning, const struct err *failed)
{
    struct spawner_answer answer = {.kind = failed->kind, .errnum = failed->errnum};

    snprintf(answer.text, sizeof(answer.text), "%s", failed->text);
    if (send_answer(spawning->sock, &answer, (const int[]){-1, -1}) < 0)
        _exit(EXIT_FAILURE);
}

void spawner_process_run(int sock, const char *child_command, pid_t parent)
{
    struct spawning spawning = {.sock = OWN_FD, .child_command = child_command};
    struct spawner_request request;

    die_with(parent);
    prctl(PR_SET_NAME, "vb-spawner");
    reset_signals();
    keep_only(sock);
    for (;;) {
        CLEANUP_ERR struct err failed = ERR_INIT;
        ssize_t len = recv(spawning.sock, &request, sizeof(request), 0);
        if (len < 0 && errno == EINTR)
            continue;
        if (len != (ssize_t)sizeof(request))
            _exit(len == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
        int status = request.kind == SPAWNER_FORK ? do_fork(&spawning, &request.settings, &failed)
                                                  : do_wait(&spawning, &request, &failed);
        if (status < 0)
            refuse(&spawning, &failed);
    }
}
