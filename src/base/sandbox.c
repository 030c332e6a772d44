/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/fds.h"
#include "base/io.h"
#include "base/sandbox_filter.h"

/* nobody and nogroup, or whatever they are called here */
#define NOBODY 65534

/* ---- identity -------------------------------------------------------------- */

static int drop_user(struct err *err)
{
    const gid_t group = NOBODY;

    if (geteuid() != 0)
        return 0;
    if (setgroups(0, NULL) < 0 || setresgid(group, group, group) < 0 ||
        setresuid(NOBODY, NOBODY, NOBODY) < 0)
        return err_set_errno(err, errno, "cannot switch to user and group %d", NOBODY);
    return 0;
}

static int drop_capabilities(struct err *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[2] = {{0}};

    if (syscall(__NR_capset, &header, none) < 0)
        return err_set_errno(err, errno, "cannot give up capabilities");
    return 0;
}

static int set_identity(const struct sandbox_plan *plan, struct err *err)
{
    umask(077);
    if (drop_user(err) < 0 || drop_capabilities(err) < 0)
        return -1;
    /* Changing the user resets these two, so they come after it. */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_set_errno(err, errno, "cannot give up privileges");
    if (plan->parent) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != plan->parent)
            _exit(EXIT_FAILURE);
    }
    return 0;
}

/* ---- descriptors and limits ------------------------------------------------- */

static void close_others(const struct sandbox_plan *plan)
{
    uint32_t keep = plan->read_fds | plan->write_fds | plan->pread_fds;

    if (SANDBOX_FILTER_SANITIZED)
        keep |= SANDBOX_FD(STDERR_FILENO);
    for (int fd = 0; fd < 32; fd++)
        if (!(keep & SANDBOX_FD(fd)))
            close(fd);
    fds_close_from(32);
}

/* Bytes of address space that the process has now. */
static int mapped_size(uint64_t *ret, struct err *err)
{
    char text[128];
    size_t len = 0;
    CLEANUP_CLOSE int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

    if (fd < 0 || io_read_some(fd, text, sizeof(text) - 1, &len, NULL) < 0)
        return err_set_errno(err, errno, "/proc/self/statm: cannot read");
    text[len] = '\0';
    *ret = strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
    return 0;
}

static int set_resource_limit(__rlimit_resource_t resource, rlim_t value, struct err *err)
{
    const struct rlimit limit = {value, value};

    if (setrlimit(resource, &limit) < 0)
        return err_set_errno(err, errno, "cannot set a resource limit");
    return 0;
}

/* The address space is measured before Landlock and limited after it. */
static int set_limits(const struct sandbox_plan *plan, uint64_t mapped, struct err *err)
{
    if (plan->memory && !SANDBOX_FILTER_SANITIZED &&
        set_resource_limit(RLIMIT_AS, (rlim_t)(mapped + plan->memory), err) < 0)
        return -1;
    if (plan->cpu_s && set_resource_limit(RLIMIT_CPU, plan->cpu_s, err) < 0)
        return -1;
    if (!plan->grows_file && set_resource_limit(RLIMIT_FSIZE, 0, err) < 0)
        return -1;
    return set_resource_limit(RLIMIT_CORE, 0, err) < 0 ||
                   set_resource_limit(RLIMIT_NPROC, 0, err) < 0 ||
                   set_resource_limit(RLIMIT_NOFILE, 0, err) < 0
               ? -1
               : 0;
}

/* ---- Landlock --------------------------------------------------------------- */

/* As in the kernel; a header that is older than the kernel lacks members. */
struct landlock_rules {
    uint64_t fs;
    uint64_t net;   /* version 4: binding and connecting of TCP sockets */
    uint64_t scope; /* version 6: abstract sockets, signals */
};

int sandbox_landlock_version(void)
{
    const unsigned tell_version = 1;
    long version = syscall(__NR_landlock_create_ruleset, NULL, 0, tell_version);

    return version > 0 ? (int)version : 0;
}

/* How many file system rights a version knows; they are bits from 0 on. */
static unsigned landlock_fs_rights(int version)
{
    if (version >= 5)
        return 16; /* ioctl on devices */
    if (version >= 3)
        return 15; /* truncate */
    return version == 2 ? 14 /* linking elsewhere */ : 13;
}

/* Handles every right and grants none. */
static int lock_land(struct err *err)
{
    int version = sandbox_landlock_version();
    struct landlock_rules rules = {
        .fs = (UINT64_C(1) << landlock_fs_rights(version)) - 1,
        .net = version >= 4 ? 3 : 0,
        .scope = version >= 6 ? 3 : 0,
    };

    if (version == 0)
        return err_set(err, ERR_UNSUPPORTED, "the kernel has no Landlock, or it is disabled");
    CLEANUP_CLOSE int fd = (int)syscall(__NR_landlock_create_ruleset, &rules, sizeof(rules), 0);
    if (fd < 0 || syscall(__NR_landlock_restrict_self, fd, 0) < 0)
        return err_set_errno(err, errno, "the kernel does not accept Landlock rules");
    return 0;
}

/* ---- putting it together ---------------------------------------------------- */

void sandbox_warm_up(void)
{
    uint8_t sha256[DIGEST_SIZE];

    digest_of("", 0, sha256); /* libcrypto reads its configuration */
    free(malloc(1));
    (void)strerror(EINVAL);
}

/* Everything except the filter. Between Landlock and the limits a prober does its test. */
static int enter_outer(const struct sandbox_plan *plan, uint64_t *ret_mapped, struct err *err)
{
    sandbox_warm_up();
    if (mapped_size(ret_mapped, err) < 0)
        return -1;
    close_others(plan);
    return set_identity(plan, err) < 0 || lock_land(err) < 0 ? -1 : 0;
}

int sandbox_enter(const struct sandbox_plan *plan, struct err *err)
{
    uint64_t mapped = 0;

    if (enter_outer(plan, &mapped, err) < 0 || set_limits(plan, mapped, err) < 0 ||
        sandbox_filter_install(plan, SANDBOX_DENIAL_KILL, err) < 0)
        return err_prefix(err, "cannot enter the sandbox");
    return 0;
}

/* ---- the proof -------------------------------------------------------------- */

/* The descriptor on which a prober reports what is wrong. */
#define PROBER_FD 3
#define PROBER_TEXT_MAX 512

/* The test opens a file that everybody may open. */
static int forbidden_open(void)
{
    return (int)syscall(__NR_openat, AT_FDCWD, "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Here denied calls fail instead of killing the process, because each kill leaves a line in the
 * system's log. Otherwise it is the same filter. */
static int try_out(pid_t parent, struct err *err)
{
    const struct sandbox_plan plan = {.write_fds = SANDBOX_FD(PROBER_FD), .parent = parent};
    uint64_t mapped = 0;

    if (enter_outer(&plan, &mapped, err) < 0)
        return -1;
    if (forbidden_open() >= 0 || errno != EACCES)
        return err_set(err, ERR_UNSUPPORTED, "Landlock does not deny opening a file");
    if (set_limits(&plan, mapped, err) < 0 ||
        sandbox_filter_install(&plan, SANDBOX_DENIAL_ERRNO, err) < 0)
        return -1;
    if (forbidden_open() >= 0 || errno != ENOSYS)
        return err_set(err, ERR_UNSUPPORTED, "the seccomp filter does not deny system calls");
    return 0;
}

static void __attribute__((noreturn)) probe(int report_fd, pid_t parent)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    prctl(PR_SET_NAME, "vb-probe");
    if (report_fd != PROBER_FD && dup2(report_fd, PROBER_FD) < 0)
        _exit(EXIT_FAILURE);
    if (try_out(parent, &err) == 0)
        _exit(EXIT_SUCCESS);
    (void)!write(PROBER_FD, err.text, strlen(err.text));
    _exit(EXIT_FAILURE);
}

int sandbox_prove(struct err *err)
{
    char text[PROBER_TEXT_MAX + 1];
    size_t len = 0;
    int ends[2];
    int status = 0;
    pid_t parent = getpid();

    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set_errno(err, errno, "cannot create a pipe");
    pid_t pid = fork();
    if (pid == 0)
        probe(ends[1], parent);
    int failed = errno;
    CLEANUP_CLOSE int reading = ends[0];
    close(ends[1]);
    if (pid < 0)
        return err_set_errno(err, failed, "cannot fork a process to test the sandbox");
    if (io_read_some(reading, text, PROBER_TEXT_MAX, &len, NULL) < 0)
        len = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (len == 0 && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS)
        return 0;
    text[len] = '\0';
    return err_set(err, ERR_UNSUPPORTED, "%s", len ? text : "it kills what runs in it");
}
