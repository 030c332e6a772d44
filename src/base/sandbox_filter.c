/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/sandbox_filter.h"

#include <assert.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#define MAX_CHECKS 2
#define MAX_INSTRUCTIONS 512
#define ALL_BITS UINT32_MAX

/* (argument & mask) == value, for the lower half of the argument: everything we check is an int, or
 * flags whose upper bits have no meaning. */
struct check {
    uint32_t mask; /* 0: no check */
    uint32_t value;
    unsigned argument;
};

/* Several rows for one call are alternatives. */
struct rule {
    unsigned call;
    struct check checks[MAX_CHECKS];
};

/* clang-format off */
#define NO_EXEC {PROT_EXEC, 0, 2}
#define ADVICE(value) {__NR_madvise, {{ALL_BITS, value, 2}}}
/* clang-format on */

/* Besides reading and writing: memory, and exiting. */
static const struct rule rules[] = {
    {__NR_brk, {{0}}},
    {__NR_mmap, {NO_EXEC, {MAP_ANONYMOUS, MAP_ANONYMOUS, 3}}},
    {__NR_munmap, {{0}}},
    {__NR_mremap, {{0}}},
    {__NR_mprotect, {NO_EXEC}}, /* glibc uses it to grow a heap */
    ADVICE(MADV_DONTNEED),
    ADVICE(MADV_FREE),
    ADVICE(MADV_HUGEPAGE),                             /* encoders' tables */
    {__NR_futex, {{ALL_BITS, FUTEX_WAKE_PRIVATE, 1}}}, /* the end of pthread_once */
    {__NR_getrandom, {{0}}},                           /* glibc's malloc, once */
    {__NR_getpid, {{0}}},
    {__NR_exit, {{0}}},
    {__NR_exit_group, {{0}}},
#if SANDBOX_FILTER_SANITIZED
    ADVICE(MADV_NOHUGEPAGE),
    ADVICE(MADV_DONTDUMP),
    {__NR_write, {{ALL_BITS, STDERR_FILENO, 0}}}, /* the sanitizer's reports */
    {__NR_futex, {{0}}},
    {__NR_gettid, {{0}}},
    {__NR_sched_yield, {{0}}},
    {__NR_sigaltstack, {{0}}},
    {__NR_rt_sigprocmask, {{0}}},
#endif
};

struct program {
    struct sock_filter code[MAX_INSTRUCTIONS];
    unsigned short len;
};

static void put(struct program *program, uint16_t code, uint8_t if_true, uint8_t if_false,
                uint32_t k)
{
    assert(program->len < MAX_INSTRUCTIONS);
    program->code[program->len++] = (struct sock_filter){code, if_true, if_false, k};
}

static void put_load(struct program *program, size_t offset)
{
    put(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

static void put_return(struct program *program, uint32_t action)
{
    put(program, BPF_RET | BPF_K, 0, 0, action);
}

/* Load, mask, compare: three instructions per check. */
static void put_rule(struct program *program, const struct rule *rule)
{
    const size_t low = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? sizeof(uint32_t) : 0;
    unsigned count = 0;

    while (count < MAX_CHECKS && rule->checks[count].mask)
        count++;
    unsigned left = 3 * count + 1; /* instructions of this rule that follow */
    put_load(program, offsetof(struct seccomp_data, nr));
    put(program, BPF_JMP | BPF_JEQ | BPF_K, 0, (uint8_t)left, rule->call);
    for (unsigned i = 0; i < count; i++) {
        const struct check *check = &rule->checks[i];
        left -= 3;
        put_load(program, offsetof(struct seccomp_data, args[check->argument]) + low);
        put(program, BPF_ALU | BPF_AND | BPF_K, 0, 0, check->mask);
        put(program, BPF_JMP | BPF_JEQ | BPF_K, 0, (uint8_t)left, check->value);
    }
    put_return(program, SECCOMP_RET_ALLOW);
}

static void put_descriptors(struct program *program, unsigned call, uint32_t fds)
{
    for (unsigned fd = 0; fd < 32; fd++)
        if (fds & SANDBOX_FD(fd))
            put_rule(program, &(struct rule){call, {{ALL_BITS, fd, 0}}});
}

#ifdef ARCHITECTURE
static void put_architecture(struct program *program)
{
    put_load(program, offsetof(struct seccomp_data, arch));
    put(program, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, ARCHITECTURE);
    put_return(program, SECCOMP_RET_KILL_PROCESS);
#if defined(__x86_64__) /* x32 is the same architecture, with this bit set in the call number */
    put_load(program, offsetof(struct seccomp_data, nr));
    put(program, BPF_JMP | BPF_JGE | BPF_K, 0, 1, UINT32_C(0x40000000));
    put_return(program, SECCOMP_RET_KILL_PROCESS);
#endif
}

int sandbox_filter_install(const struct sandbox_plan *plan, enum sandbox_denial denial,
                           struct err *err)
{
    struct program program = {.len = 0};

    put_architecture(&program);
    put_descriptors(&program, __NR_read, plan->read_fds);
    put_descriptors(&program, __NR_write, plan->write_fds);
    put_descriptors(&program, __NR_pread64, plan->pread_fds);
    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
        put_rule(&program, &rules[i]);
    put_return(&program, denial == SANDBOX_DENIAL_KILL && !SANDBOX_FILTER_SANITIZED
                             ? SECCOMP_RET_KILL_PROCESS
                             : SECCOMP_RET_ERRNO | ENOSYS);

    const struct sock_fprog filter = {.len = program.len, .filter = program.code};
    /* SPEC_ALLOW: without it older kernels would slow down the whole process as a defence against
     * untrusted code, which does not run here. */
    if (syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &filter) < 0)
        return err_set_errno(err, errno, "the kernel does not accept the seccomp filter");
    return 0;
}
#else
int sandbox_filter_install(const struct sandbox_plan *plan, enum sandbox_denial denial,
                           struct err *err)
{
    (void)plan;
    (void)denial;
    return err_set(err, ERR_UNSUPPORTED, "no seccomp filter for this processor architecture");
}
#endif
