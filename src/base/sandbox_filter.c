/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/sandbox_filter.h"

#include <errno.h>
#include <linux/futex.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"

#define MAX_CHECKS 2
#define ALL_BITS UINT32_MAX

/* (argument & mask) == value, for the lower half of the argument: everything we check is an int, or
 * flags whose upper bits have no meaning. */
struct arg_check {
    uint32_t mask; /* 0: no check */
    uint32_t value;
    unsigned argument;
};

/* Several rows for one call are alternatives. */
struct rule {
    int call;
    struct arg_check checks[MAX_CHECKS];
};

/* clang-format off */
#define NO_EXEC {PROT_EXEC, 0, 2}
#define ADVICE(value) {SCMP_SYS(madvise), {{ALL_BITS, value, 2}}}
/* clang-format on */

/* Besides reading and writing: memory, and exiting. */
static const struct rule rules[] = {
    {SCMP_SYS(brk), {{0}}},
    {SCMP_SYS(mmap), {NO_EXEC, {MAP_ANONYMOUS, MAP_ANONYMOUS, 3}}},
    {SCMP_SYS(munmap), {{0}}},
    {SCMP_SYS(mremap), {{0}}},
    {SCMP_SYS(mprotect), {NO_EXEC}}, /* glibc uses it to grow a heap */
    ADVICE(MADV_DONTNEED),
    ADVICE(MADV_FREE),
    ADVICE(MADV_HUGEPAGE),                                  /* encoders' tables */
    {SCMP_SYS(futex), {{ALL_BITS, FUTEX_WAKE_PRIVATE, 1}}}, /* the end of pthread_once */
    {SCMP_SYS(getrandom), {{0}}},                           /* glibc's malloc, once */
    {SCMP_SYS(getpid), {{0}}},
    {SCMP_SYS(exit), {{0}}},
    {SCMP_SYS(exit_group), {{0}}},
#if SANDBOX_FILTER_SANITIZED
    ADVICE(MADV_NOHUGEPAGE),
    ADVICE(MADV_DONTDUMP),
    {SCMP_SYS(write), {{ALL_BITS, STDERR_FILENO, 0}}}, /* the sanitizer's reports */
    {SCMP_SYS(futex), {{0}}},
    {SCMP_SYS(gettid), {{0}}},
    {SCMP_SYS(sched_yield), {{0}}},
    {SCMP_SYS(sigaltstack), {{0}}},
    {SCMP_SYS(rt_sigprocmask), {{0}}},
#endif
};

static void filter_freep(scmp_filter_ctx *filter)
{
    if (*filter)
        seccomp_release(*filter);
}

static int allow_rule(scmp_filter_ctx filter, const struct rule *rule)
{
    struct scmp_arg_cmp comparisons[MAX_CHECKS];
    unsigned count = 0;

    for (; count < MAX_CHECKS && rule->checks[count].mask; count++) {
        const struct arg_check *check = &rule->checks[count];
        comparisons[count] =
            SCMP_CMP(check->argument, SCMP_CMP_MASKED_EQ, check->mask, check->value);
    }
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rule->call, count, comparisons);
}

static int allow_descriptors(scmp_filter_ctx filter, int call, uint32_t fds)
{
    int failed = 0;

    for (unsigned fd = 0; fd < 32 && failed == 0; fd++)
        if (fds & SANDBOX_FD(fd))
            failed = allow_rule(filter, &(struct rule){call, {{ALL_BITS, fd, 0}}});
    return failed;
}

static int add_rules(scmp_filter_ctx filter, const struct sandbox_plan *plan)
{
    int failed = allow_descriptors(filter, SCMP_SYS(read), plan->read_fds);

    if (failed == 0)
        failed = allow_descriptors(filter, SCMP_SYS(write), plan->write_fds);
    if (failed == 0)
        failed = allow_descriptors(filter, SCMP_SYS(pread64), plan->pread_fds);
    for (size_t i = 0; i < ARRAY_COUNT(rules) && failed == 0; i++)
        failed = allow_rule(filter, &rules[i]);
    return failed;
}

/* The library's answers are negative errnos. */
static int set_up(scmp_filter_ctx filter, const struct sandbox_plan *plan)
{
    /* Calls of another instruction set, whatever becomes of ours. */
    int failed = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

    /* It is set already, by whoever calls us. */
    if (failed == 0)
        failed = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
    /* Otherwise older kernels slow down the whole process as a defence against untrusted code,
     * which does not run here. */
    if (failed == 0)
        failed = seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
    return failed == 0 ? add_rules(filter, plan) : failed;
}

int sandbox_filter_install(const struct sandbox_plan *plan, enum sandbox_denial denial,
                           struct err *err)
{
    bool kill = denial == SANDBOX_DENIAL_KILL && !SANDBOX_FILTER_SANITIZED;
    CLEANUP(filter_freep)
    scmp_filter_ctx filter = seccomp_init(kill ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(ENOSYS));

    if (!filter)
        return err_set_errno(err, ENOMEM, "cannot create a seccomp filter");
    int failed = set_up(filter, plan);
    if (failed < 0)
        return err_set_errno(err, -failed, "cannot create a seccomp filter");
    failed = seccomp_load(filter);
    if (failed < 0)
        return err_set_errno(err, -failed, "the kernel does not accept the seccomp filter");
    return 0;
}
