/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/io.h"
#include "base/sandbox.h"
#include "base/sandbox_filter.h"
#include "forbidden.h"

#define OWN_FD 3
#define FILE_FD 4

/* What the program's own processes ask for: a child, a reader of indexes, mtcp-child. */
static const struct sandbox_plan plans[] = {
    {.read_fds = SANDBOX_FD(OWN_FD), .write_fds = SANDBOX_FD(OWN_FD), .memory = 64 << 20},
    {.write_fds = SANDBOX_FD(OWN_FD), .pread_fds = SANDBOX_FD(FILE_FD), .cpu_s = 60},
    {.read_fds = SANDBOX_FD(0) | SANDBOX_FD(OWN_FD), .write_fds = SANDBOX_FD(1) | SANDBOX_FD(2)},
};
#define PLAN_COUNT (sizeof(plans) / sizeof(*plans))

/* How a forked process ends, beside being killed. */
enum { END_DONE = 0, END_ERRNO = 40, END_NOT_ENTERED, END_NO_DESCRIPTORS, END_WRONG };

struct apart {
    pid_t pid;
    int sock; /* our end of what is OWN_FD there */
};

/* cmocka reports by longjmp: nothing is asserted in the forked process. */
static struct apart run_apart(void (*function)(const void *), const void *opaque)
{
    int ends[2];
    struct apart apart;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    fflush(NULL);
    apart.pid = fork();
    assert_true(apart.pid >= 0);
    if (apart.pid == 0) {
        close(ends[0]);
        int file = open("/proc/self/exe", O_RDONLY);
        int high = fcntl(ends[1], F_DUPFD, 20);
        file = fcntl(file, F_DUPFD, 20);
        if (dup2(high, OWN_FD) < 0 || dup2(file, FILE_FD) < 0)
            _exit(END_NO_DESCRIPTORS);
        function(opaque);
        _exit(END_DONE);
    }
    close(ends[1]);
    apart.sock = ends[0];
    return apart;
}

static int finish(struct apart *apart)
{
    int status = 0;

    close(apart->sock);
    assert_int_equal(waitpid(apart->pid, &status, 0), apart->pid);
    return status;
}

static void enter(const struct sandbox_plan *plan)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    if (sandbox_enter(plan, &err) == 0)
        return;
    fprintf(stderr, "# %s\n", err.text);
    _exit(END_NOT_ENTERED);
}

/* ---- what is forbidden -------------------------------------------------------- */

struct attempt {
    const struct sandbox_plan *plan; /* NULL: behind a filter that does nothing */
    const struct forbidden *what;
};

static void install_useless_filter(void)
{
    struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    const struct sock_fprog filter = {.len = 1, .filter = code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0)
        _exit(END_NOT_ENTERED);
}

static void try(const void *opaque)
{
    const struct attempt *attempt = opaque;
    const long *a = attempt->what->arguments;

    if (attempt->plan)
        enter(attempt->plan);
    else
        install_useless_filter();
    long result = syscall(attempt->what->call, a[0], a[1], a[2], a[3], a[4], a[5]);
    _exit(result == -1 && errno == ENOSYS ? END_ERRNO : END_DONE);
}

static bool is_denied(const struct attempt *attempt)
{
    struct apart apart = run_apart(try, attempt);
    int status = finish(&apart);
    int end = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

    if (end == END_NOT_ENTERED || end == END_NO_DESCRIPTORS)
        fail_msg("'%s' could not be tried: %d", attempt->what->name, end);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        return true;
    return SANDBOX_FILTER_SANITIZED && end == END_ERRNO;
}

static void test_forbidden_calls_are_denied(void **state)
{
    unsigned allowed = 0;

    (void)state;
    assert_true(forbidden_count >= 40);
    for (size_t i = 0; i < PLAN_COUNT; i++)
        for (size_t j = 0; j < forbidden_count; j++) {
            const struct attempt attempt = {&plans[i], &forbidden_calls[j]};
            if (is_denied(&attempt))
                continue;
            fprintf(stderr, "# plan %zu allows: %s\n", i, forbidden_calls[j].name);
            allowed++;
        }
    fprintf(stderr, "# %zu forbidden calls in %zu sandboxes: %u allowed\n", forbidden_count,
            PLAN_COUNT, allowed);
    assert_int_equal(allowed, 0);
}

/* The judge of the test above must not be content with a filter that does nothing. */
static void test_a_filter_that_does_nothing_is_noticed(void **state)
{
    (void)state;
    for (size_t j = 0; j < forbidden_count; j++) {
        const struct attempt attempt = {NULL, &forbidden_calls[j]};
        /* these numbers fail with ENOSYS by themselves, as under a sanitizer denied ones do */
        if (SANDBOX_FILTER_SANITIZED && forbidden_calls[j].call >= FORBIDDEN_X32)
            continue;
        if (is_denied(&attempt))
            fail_msg("'%s' is called denied behind a filter that allows it",
                     forbidden_calls[j].name);
    }
}

/* ---- what is left --------------------------------------------------------------- */

static void work(const void *opaque)
{
    const struct sandbox_plan *plan = opaque;
    uint8_t sha256[DIGEST_SIZE];
    char byte = 0;

    enter(plan);
    volatile char *memory = malloc(8 << 20);
    if (!memory)
        _exit(END_WRONG);
    memory[4096] = 1;
    char *more = realloc((char *)(uintptr_t)memory, 16 << 20);
    free(more);
    digest_of(&byte, 1, sha256);
    if (plan->read_fds & SANDBOX_FD(OWN_FD) && read(OWN_FD, &byte, 1) != 1)
        _exit(END_WRONG);
    if (plan->pread_fds && pread(FILE_FD, &byte, 1, 1) != 1)
        _exit(END_WRONG);
    if (plan->write_fds & SANDBOX_FD(OWN_FD) && write(OWN_FD, &byte, 1) != 1)
        _exit(END_WRONG);
}

static void test_work_is_possible(void **state)
{
    char byte = 'x';

    (void)state;
    for (size_t i = 0; i < PLAN_COUNT; i++) {
        struct apart apart = run_apart(work, &plans[i]);
        assert_int_equal(send(apart.sock, &byte, 1, MSG_NOSIGNAL), 1);
        if (plans[i].write_fds & SANDBOX_FD(OWN_FD))
            assert_int_equal(read(apart.sock, &byte, 1), 1);
        assert_int_equal(finish(&apart), 0);
    }
}

static void take_memory(const void *opaque)
{
    enter(opaque);
    void *memory = mmap(NULL, 32 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *more = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    _exit(memory != MAP_FAILED && more == MAP_FAILED ? END_DONE : END_WRONG);
}

static void test_memory_is_limited(void **state)
{
    (void)state;
    if (SANDBOX_FILTER_SANITIZED)
        skip(); /* see base/sandbox.h */
    struct apart apart = run_apart(take_memory, &plans[0]);
    assert_int_equal(finish(&apart), 0);
}

/* ---- what others see of it -------------------------------------------------------- */

static void report_and_wait(const void *opaque)
{
    char byte = 0;

    enter(opaque);
    (void)!write(OWN_FD, &byte, 1);
    (void)!read(OWN_FD, &byte, 1);
}

/* What stands behind NAME in a line of /proc/PID/FILE. */
static void assert_proc(pid_t pid, const char *file_name, const char *name, const char *value)
{
    CLEANUP_FREE char *path = mem_printf("/proc/%d/%s", (int)pid, file_name);
    CLEANUP_FCLOSE FILE *file = fopen(path, "re");
    char line[512];

    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        if (strncmp(line, name, strlen(name)) != 0)
            continue;
        const char *found = line + strlen(name);
        found += strspn(found, " \t");
        if (strncmp(found, value, strlen(value)) != 0)
            fail_msg("%s: %s is not %s", name, found, value);
        return;
    }
    fail_msg("%s has no line %s", path, name);
}

static void assert_status(pid_t pid, const char *name, const char *value)
{
    assert_proc(pid, "status", name, value);
}

static void test_facts_of_a_sandboxed_process(void **state)
{
    struct apart apart = run_apart(report_and_wait, &plans[0]);
    char byte;

    (void)state;
    assert_int_equal(read(apart.sock, &byte, 1), 1);
    assert_status(apart.pid, "Seccomp:", "2\n");
    assert_status(apart.pid, "NoNewPrivs:", "1\n");
    assert_status(apart.pid, "CapEff:", "0000000000000000\n");
    assert_status(apart.pid, "CapPrm:", "0000000000000000\n");
    assert_status(apart.pid, "Threads:", "1\n");
    assert_status(apart.pid, "Umask:", "0077\n");
    if (geteuid() == 0) {
        assert_status(apart.pid, "Uid:", "65534\t65534\t65534\t65534\n");
        assert_status(apart.pid, "Gid:", "65534\t65534\t65534\t65534\n");
        assert_status(apart.pid, "Groups:", "\n");
        assert_proc(apart.pid, "limits", "Max core file size", "0 ");
        assert_proc(apart.pid, "limits", "Max file size", "0 ");
        assert_proc(apart.pid, "limits", "Max open files", "0 ");
        assert_proc(apart.pid, "limits", "Max processes", "0 ");
    }
    assert_int_equal(finish(&apart), 0);
}

static void stay_behind(const void *opaque)
{
    struct sandbox_plan plan = plans[0];
    pid_t parent = getpid();
    char byte = 0;

    (void)opaque;
    if (fork() == 0) {
        plan.parent = parent;
        report_and_wait(&plan);
        _exit(END_DONE);
    }
    (void)!read(OWN_FD, &byte, 1); /* killed here */
}

/* A change of user takes the death signal back: it must be asked for behind it. */
static void test_it_dies_with_its_parent(void **state)
{
    struct apart apart = run_apart(stay_behind, NULL);
    char byte;

    (void)state;
    assert_int_equal(read(apart.sock, &byte, 1), 1);
    kill(apart.pid, SIGKILL);
    /* the end of the stream: nobody holds the other end any more */
    assert_int_equal(read(apart.sock, &byte, 1), 0);
    assert_true(WIFSIGNALED(finish(&apart)));
}

static void test_the_proof_succeeds(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    if (sandbox_prove(&err) < 0)
        fail_msg("%s", err.text);
    assert_true(sandbox_landlock_version() >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forbidden_calls_are_denied),
        cmocka_unit_test(test_a_filter_that_does_nothing_is_noticed),
        cmocka_unit_test(test_work_is_possible),
        cmocka_unit_test(test_memory_is_limited),
        cmocka_unit_test(test_facts_of_a_sandboxed_process),
        cmocka_unit_test(test_it_dies_with_its_parent),
        cmocka_unit_test(test_the_proof_succeeds),
    };

    return cmocka_run_group_tests_name("base sandbox", tests, NULL, NULL);
}
