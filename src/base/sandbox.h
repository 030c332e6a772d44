/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A sandbox for a process that works on bytes from outside: it computes, and
 * reads and writes the descriptors that it was given. It is made of several
 * layers, so that none is relied on alone:
 *   identity   nobody (uid and gid 65534, no groups) if it was root; no
 *              capabilities, no new privileges; not dumpable, no core, umask 077;
 *              killed by the kernel when its parent dies
 *   limits     address space; no file may grow, no descriptor and no process be made
 *   Landlock   no file can be opened, no TCP port used, no process outside signalled
 *   seccomp    about a dozen system calls are left, some with these arguments only
 * All of it or an error: there is no weaker grade. Linux 5.13 with Landlock, on
 * x86_64 or aarch64.
 *
 * A forbidden system call kills the process with SIGSYS. Under AddressSanitizer,
 * whose runtime makes calls of its own, it fails with ENOSYS instead, a few more
 * calls are allowed, and the address space is not limited (it holds terabytes of
 * shadow); which of the two it is is decided when the program is compiled.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Descriptors 0 to 31, one a bit. Those in no set are closed. */
struct sandbox_plan {
    uint32_t read_fds;  /* read() is allowed */
    uint32_t write_fds; /* write() is allowed */
    uint32_t pread_fds; /* pread() is allowed */
    bool grows_file;    /* a descriptor of write_fds is a regular file */
    uint64_t memory;    /* bytes that it may map beyond what it has now; 0: no limit */
    unsigned cpu_s;     /* seconds of processor time; 0: no limit */
    pid_t parent;       /* the process with which this one dies; 0: it outlives its parent */
};

#define SANDBOX_FD(fd) (UINT32_C(1) << (fd))

/* Does now what libraries do when they are first used and could not do later.
 * A process that forks several to be sandboxed calls it once, to save them the time. */
void sandbox_warm_up(void);
/* Enters the sandbox, for good. The process must have one thread. After a failure
 * (unsupported: the kernel lacks a layer) it is good only for ending itself. */
int sandbox_enter(const struct sandbox_plan *plan, struct err *err);
/* Proves that the sandbox denies: forks a process that enters it and tries to open
 * a file, once behind Landlock only and once behind the filter. Blocks for about
 * a millisecond. -1: it could not be entered, or did not deny. */
int sandbox_prove(struct err *err);
/* The version of Landlock that the kernel has; 0: none. */
int sandbox_landlock_version(void);
