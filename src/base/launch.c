/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fds.h"
#include "base/io.h"
#include "base/process.h"
#include "base/quit.h"
#include "base/stall.h"
#include "base/strings.h"
#include "base/text.h"
#include "base/units.h"

#define KILL_WAIT_MS 5000
#define FAILED_STATUS 127
#define PID_DIGITS 10
#define END_POLL_MS 5

/* Everything that the forked process needs, made before the fork: after it only async-signal-safe
 * calls are allowed, because we have threads. */
struct launch_plan {
    const struct launch *launch;
    char **environment;
    char *listen_pid; /* room for the digits, in the environment; NULL: not wanted */
    int fds[FDS_PLACE_MAX];
    int report_fd; /* carries errno if the exec fails */
    pid_t parent;
};

/* ---- the environment --------------------------------------------------------- */

static bool launch_is_set(const struct launch *launch, const char *variable)
{
    for (const char *const *s = launch->settings; s && *s; s++)
        if (strncmp(variable, *s, strcspn(*s, "=") + 1) == 0)
            return true;
    return false;
}

/* Sockets that were passed to us, and what our service manager expects of us. */
static bool launch_is_for_us_alone(const char *variable)
{
    return text_begins(variable, "LISTEN_") || text_begins(variable, "NOTIFY_SOCKET=") ||
           text_begins(variable, "WATCHDOG_");
}

/* Our environment, except for what the settings override. */
static void launch_make_environment(const struct launch *launch, struct strings *environment,
                                    char **ret_listen_pid)
{
    for (char **variable = environ; *variable; variable++)
        if (!launch_is_for_us_alone(*variable) && !launch_is_set(launch, *variable))
            strings_add(environment, *variable);
    for (const char *const *s = launch->settings; s && *s; s++)
        strings_add(environment, *s);
    *ret_listen_pid = NULL;
    if (launch->activated) {
        strings_add(environment, "LISTEN_FDS=1");
        char *setting = mem_printf("LISTEN_PID=%0*d", PID_DIGITS, 0);
        strings_take(environment, setting);
        *ret_listen_pid = setting + strlen("LISTEN_PID=");
    }
    strings_take(environment, NULL);
}

/* ---- in the forked process ----------------------------------------------------- */

static void launch_write_pid(char *digits, pid_t pid)
{
    for (int i = PID_DIGITS - 1; i >= 0; i--) {
        digits[i] = (char)('0' + pid % 10);
        pid /= 10;
    }
}

/* Ignored signals stay ignored after the exec. */
static void launch_reset_signals(void)
{
    static const int stops[] = {SIGTSTP, SIGTTIN, SIGTTOU};
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    for (size_t i = 0; i < sizeof(stops) / sizeof(*stops); i++)
        signal(stops[i], SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Never more than we have ourselves. */
static void launch_limit_cpu(unsigned cpu_s)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_CPU, &limit) == 0 && limit.rlim_max > cpu_s)
        (void)setrlimit(RLIMIT_CPU, &(struct rlimit){cpu_s, cpu_s});
}

static void __attribute__((noreturn)) launch_execute(const struct launch_plan *plan)
{
    const struct launch *launch = plan->launch;
    int report_fd = fcntl(plan->report_fd, F_DUPFD_CLOEXEC, FDS_PLACE_MAX);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != plan->parent)
        _exit(FAILED_STATUS);
    setpgid(0, 0);
    launch_reset_signals();
    process_forbid_core();
    if (launch->cpu_s)
        launch_limit_cpu(launch->cpu_s);
    if (plan->listen_pid)
        launch_write_pid(plan->listen_pid, getpid());
    if (report_fd >= 0 && (!launch->in_folder || fchdir(launch->folder_fd) == 0) &&
        fds_place(plan->fds, launch->fd_count) == 0) {
        /* Descriptors that libraries opened without O_CLOEXEC must not stay open in the program.
         * Only the flag is set, so that a failure can still be reported. */
        fds_cloexec_from((int)launch->fd_count);
        execvpe(launch->path ? launch->path : launch->argv[0],
                (char *const *)(uintptr_t)launch->argv, plan->environment);
    }
    (void)!write(report_fd < 0 ? plan->report_fd : report_fd, &(int){errno}, sizeof(int));
    _exit(FAILED_STATUS);
}

int launch_stalled(struct err *err)
{
    err_set(err, ERR_IO, "killed, because it made no progress for ten minutes; check its storage");
    if (err)
        err->errnum = ETIMEDOUT;
    return -1;
}

/* ---- the start ----------------------------------------------------------------- */

/* The program's file may be on storage that hangs. */
static int launch_await_report(int report, pid_t pid, struct err *err)
{
    struct pollfd pollfd = {.fd = report, .events = POLLIN};
    struct stall stall = stall_begin(pid);

    while (poll(&pollfd, 1, STALL_LOOK_MS) <= 0) {
        if (quit_check(err) < 0)
            return -1;
        if (stall_look(&stall))
            return launch_stalled(err);
    }
    return 0;
}

static int launch_fork(struct launch_plan *plan, struct launched *ret, struct err *err)
{
    const char *name = plan->launch->argv[0];
    int ends[2];
    int failure = 0;
    size_t got = 0;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set_errno(err, errno, "%s: cannot create a pipe", name);
    CLEANUP_CLOSE int report = ends[0];
    plan->report_fd = ends[1];
    plan->parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        launch_execute(plan);
    int fork_errno = errno;
    close(ends[1]);
    if (pid < 0)
        return err_set_errno(err, fork_errno, "%s: cannot fork", name);
    struct launched launched = {.pid = pid, .pidfd = (int)syscall(SYS_pidfd_open, pid, 0)};
    int pidfd_errno = errno;
    if (launch_await_report(report, pid, err) < 0) {
        launch_clear(&launched);
        return err_prefix(err, "%s", name);
    }
    if (io_read_some(report, &failure, sizeof(failure), &got, NULL) < 0)
        got = 0;
    if (got != sizeof(failure) && launched.pidfd >= 0) {
        *ret = launched;
        return 0;
    }
    launch_clear(&launched);
    if (got == sizeof(failure))
        return err_set_errno(err, failure, "%s: cannot run it", name);
    return err_set_errno(err, pidfd_errno, "%s: cannot watch it", name);
}

int launch_start(const struct launch *launch, struct launched *ret, struct err *err)
{
    CLEANUP_STRINGS struct strings environment = {0};
    CLEANUP_CLOSE int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    struct launch_plan plan = {.launch = launch};

    if (null_fd < 0)
        return err_set_errno(err, errno, "/dev/null");
    for (size_t i = 0; i < launch->fd_count; i++)
        plan.fds[i] = launch->fds[i] < 0 ? null_fd : launch->fds[i];
    launch_make_environment(launch, &environment, &plan.listen_pid);
    plan.environment = environment.items;
    return launch_fork(&plan, ret, err);
}

/* ---- the end ------------------------------------------------------------------- */

/* Only we reap it, so its pid cannot have been reused. */
static void launch_reap(struct launched *launched, int *ret_status)
{
    int status = 0;

    while (waitpid(launched->pid, &status, 0) < 0 && errno == EINTR)
        ;
    launched->pid = 0;
    if (ret_status)
        *ret_status = status;
}

bool launch_wait(struct launched *launched, unsigned timeout_ms, int *ret_status)
{
    struct pollfd pollfd = {.fd = launched->pidfd, .events = POLLIN};
    uint64_t deadline_ms = units_now_ms() + timeout_ms;

    for (;;) {
        uint64_t now_ms = units_now_ms();
        int ready = poll(&pollfd, 1, now_ms < deadline_ms ? (int)(deadline_ms - now_ms) : 0);
        if (ready > 0) {
            launch_reap(launched, ret_status);
            return true;
        }
        if (ready == 0 && now_ms >= deadline_ms)
            return false;
    }
}

int launch_wait_or_quit(struct launched *launched, int *ret_status, struct err *err)
{
    struct pollfd fds[] = {{.fd = launched->pidfd, .events = POLLIN},
                           {.fd = quit_fd(), .events = POLLIN}};
    struct stall stall = stall_begin(launched->pid);
    int result = 0;

    while (result == 0) {
        int ready = poll(fds, 2, STALL_LOOK_MS);
        if (ready > 0 && fds[0].revents) {
            launch_reap(launched, ret_status);
            return 0;
        }
        result = quit_check(err);
        if (result == 0 && stall_look(&stall))
            result = launch_stalled(err);
    }
    launch_kill(launched);
    return result;
}

/* True once it has ended. Only we reap it, so its pid cannot have been reused. */
static bool launch_gone_within(pid_t pid, unsigned timeout_ms)
{
    CLEANUP_CLOSE int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    uint64_t deadline_ms = units_now_ms() + timeout_ms;

    for (;;) {
        struct pollfd end = {.fd = pidfd, .events = POLLIN};
        pid_t ended = waitpid(pid, NULL, WNOHANG);
        uint64_t now_ms = units_now_ms();
        if (ended == pid || (ended < 0 && errno != EINTR))
            return true;
        if (now_ms >= deadline_ms)
            return false;
        poll(&end, 1, pidfd < 0 ? END_POLL_MS : (int)(deadline_ms - now_ms));
    }
}

bool launch_kill(struct launched *launched)
{
    if (launched->pid <= 0)
        return true;
    if (launched->pidfd >= 0) {
        (void)syscall(SYS_pidfd_send_signal, launched->pidfd, SIGKILL, NULL, 0);
        return launch_wait(launched, KILL_WAIT_MS, NULL);
    }
    kill(launched->pid, SIGKILL);
    return launch_gone_within(launched->pid, KILL_WAIT_MS);
}

void launch_clear(struct launched *launched)
{
    launch_kill(launched);
    if (launched->pidfd >= 0)
        close(launched->pidfd);
    *launched = LAUNCHED_INIT;
}

void launch_end(pid_t pid, unsigned timeout_ms)
{
    if (launch_gone_within(pid, timeout_ms))
        return;
    kill(pid, SIGKILL);
    (void)launch_gone_within(pid, timeout_ms);
}
