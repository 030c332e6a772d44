/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Preloaded into virt-backup by tests/fault/run: counts its effects - calls of
 * libvirt and libnbd, and of the C library where they change something outside the
 * process - and at a chosen one kills the process, lets the call fail, or waits
 * for the harness. Only calls that the program itself makes count, not those that
 * libraries make on its behalf, and only in one process: the control process, or
 * the guardian, which is known by the name that it takes. A library's function
 * that the program calls and this file does not know is told by tests/fault/run.
 *
 * VB_FAULT_COUNT=FILE  every effect is added to FILE, a line each
 * VB_FAULT_AT=N        the effect, from 1
 * VB_FAULT_DO=WHAT     kill-before, kill-after, kill-during, fail or hold
 * VB_FAULT_ERRNO=N     with which error it fails, in place of its usual one
 * VB_FAULT_MS=N        how long after its beginning kill-during strikes
 * VB_FAULT_HELD=FIFO   hold writes the effect's name to it...
 * VB_FAULT_GO=FIFO     ...and waits until the harness opens this one
 * VB_FAULT_WHO=guardian  all of this happens in the guardian
 * VB_FAULT_GUARDIAN_AT=N kills the guardian before its n-th effect, beside the above
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "shim.h"

#define GUARDIAN_NAME "vb-guardian"
#define MAX_RUNS 64

static const char *const deeds[] = {
    [KILL_BEFORE] = "kill-before",
    [KILL_AFTER] = "kill-after",
    [KILL_DURING] = "kill-during",
    [FAIL] = "fail",
    [HOLD] = "hold",
};

/* Written once, before main. */
static struct {
    pid_t control;
    bool in_guardian;
    unsigned long at;
    unsigned long guardian_at;
    unsigned long ms;
    int error; /* 0: the usual one */
    enum deed deed;
    char *count;
    char *held;
    char *go;
    uintptr_t text_start;
    uintptr_t text_end;
} plan;

/* Written under the mutex. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned long effects;
static struct {
    char label[LABEL_SIZE];
    unsigned long calls;
} runs[MAX_RUNS];
static size_t run_count;

static bool is_guardian;
const bool shim_counts_all = false;
__thread bool shim_libvirt_failed;
__thread bool shim_libnbd_failed;

/* ---- plan ------------------------------------------------------------------------------ */

static int find_program(struct dl_phdr_info *info, size_t size, void *opaque)
{
    (void)size;
    (void)opaque;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
            continue;
        plan.text_start = info->dlpi_addr + part->p_vaddr;
        plan.text_end = plan.text_start + part->p_memsz;
    }
    return 1; /* the first object is the program */
}

static char *take(const char *name)
{
    const char *value = getenv(name);
    char *copy = value ? strdup(value) : NULL;

    unsetenv(name);
    return copy;
}

static unsigned long take_number(const char *name)
{
    char *text = take(name);
    unsigned long number = text ? strtoul(text, NULL, 10) : 0;

    free(text);
    return number;
}

int shim_error(int usual)
{
    return plan.error ? plan.error : usual;
}

static void __attribute__((constructor)) begin(void)
{
    char *what = take("VB_FAULT_DO");
    char *who = take("VB_FAULT_WHO");

    plan.control = getpid();
    plan.at = take_number("VB_FAULT_AT");
    plan.ms = take_number("VB_FAULT_MS");
    plan.error = (int)take_number("VB_FAULT_ERRNO");
    plan.guardian_at = take_number("VB_FAULT_GUARDIAN_AT");
    plan.count = take("VB_FAULT_COUNT");
    plan.held = take("VB_FAULT_HELD");
    plan.go = take("VB_FAULT_GO");
    plan.in_guardian = who && strcmp(who, "guardian") == 0;
    for (size_t i = 1; what && i < sizeof(deeds) / sizeof(*deeds); i++)
        if (strcmp(what, deeds[i]) == 0)
            plan.deed = (enum deed)i;
    if (what && plan.deed == NOTHING) {
        fprintf(stderr, "fault shim: VB_FAULT_DO=%s\n", what);
        _exit(125);
    }
    free(what);
    free(who);
    /* Programs that this one runs are to be themselves. */
    unsetenv("LD_PRELOAD");
    dl_iterate_phdr(find_program, NULL);
}

/* ---- deeds ----------------------------------------------------------------------------- */

void *shim_next(const char *name)
{
    void *next = dlsym(RTLD_NEXT, name);

    if (!next) {
        fprintf(stderr, "fault shim: no %s\n", name);
        _exit(125);
    }
    return next;
}

static void append(const char *path, const char *label)
{
    char line[LABEL_SIZE + 1];
    int len = snprintf(line, sizeof(line), "%s\n", label);
    long fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    if (fd < 0)
        return;
    (void)!syscall(SYS_write, fd, line, (size_t)len);
    syscall(SYS_close, fd);
}

static void __attribute__((noreturn)) die(void)
{
    for (;;)
        syscall(SYS_kill, getpid(), SIGKILL);
}

static void hold(const char *label)
{
    append(plan.held, label);
    long fd = syscall(SYS_openat, AT_FDCWD, plan.go, O_RDONLY | O_CLOEXEC, 0);
    if (fd >= 0)
        syscall(SYS_close, fd);
}

static void die_soon(void)
{
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    struct itimerspec when = {.it_value = {.tv_sec = (time_t)(plan.ms / 1000),
                                           .tv_nsec = (long)(plan.ms % 1000) * 1000000 + 1000}};

    if (timer_create(CLOCK_MONOTONIC, &event, &timer) < 0 ||
        timer_settime(timer, 0, &when, NULL) < 0)
        die();
}

/* ---- counting ---------------------------------------------------------------------------- */

static bool is_power_of_two(unsigned long n)
{
    return (n & (n - 1)) == 0;
}

/* Of calls that come in great numbers the 1st, 2nd, 4th, 8th... since the last
 * other effect are points of their own. */
static bool counts_in_run(const char *label)
{
    for (size_t i = 0; i < run_count; i++)
        if (strcmp(runs[i].label, label) == 0)
            return is_power_of_two(++runs[i].calls);
    if (run_count < MAX_RUNS) {
        runs[run_count].calls = 1;
        snprintf(runs[run_count++].label, LABEL_SIZE, "%s", label);
    }
    return true;
}

static void set_label(char *label, const char *name, const char *detail)
{
    const char *slash = detail ? strrchr(detail, '/') : NULL;

    snprintf(label, LABEL_SIZE, "%s%s%s", name, detail ? " " : "",
             slash && slash[1] ? slash + 1
             : detail          ? detail
                               : "");
}

enum deed shim_meet(const char *name, const char *detail, bool many, const void *caller)
{
    char label[LABEL_SIZE];
    pid_t pid = getpid();
    bool mine = pid == plan.control ? !plan.in_guardian : is_guardian;
    enum deed deed = NOTHING;

    shim_libvirt_failed = shim_libnbd_failed = false;
    if (!mine || (uintptr_t)caller < plan.text_start || (uintptr_t)caller >= plan.text_end)
        return NOTHING;
    set_label(label, name, detail);
    pthread_mutex_lock(&mutex);
    if (!many)
        run_count = 0;
    if (!many || counts_in_run(label)) {
        effects++;
        if (plan.count && is_guardian == plan.in_guardian)
            append(plan.count, label);
        if (is_guardian && effects == plan.guardian_at)
            deed = KILL_BEFORE;
        if (effects == plan.at && is_guardian == plan.in_guardian)
            deed = plan.deed;
    }
    pthread_mutex_unlock(&mutex);
    if (deed == KILL_BEFORE)
        die();
    if (deed == KILL_DURING)
        die_soon();
    if (deed == HOLD)
        hold(label);
    return deed;
}

void shim_settle(enum deed deed)
{
    /* After a fork there are two of us. */
    if (deed == KILL_AFTER && (getpid() == plan.control || is_guardian))
        die();
}

bool shim_may_ask(void)
{
    return getpid() == plan.control || is_guardian;
}

void shim_forked(void)
{
    /* Its pid and its name tell. */
}

/* The guardian takes its name first of all. */
int prctl(int option, ...)
{
    static int (*next)(int, ...);
    unsigned long a[4];
    va_list args;

    va_start(args, option);
    for (size_t i = 0; i < 4; i++)
        a[i] = va_arg(args, unsigned long);
    va_end(args);
    if (option == PR_SET_NAME && getpid() != plan.control &&
        strcmp((const char *)(uintptr_t)a[0], GUARDIAN_NAME) == 0) {
        is_guardian = true;
        effects = run_count = 0;
    }
    if (!next)
        *(void **)&next = shim_next("prctl");
    return next(option, a[0], a[1], a[2], a[3]);
}
