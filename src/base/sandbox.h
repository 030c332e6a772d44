/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A sandbox for a process that works on bytes from outside: it may compute, and
 * read and write the descriptors that it was given. There are several layers, so
 * that we do not rely on any single one:
 *   identity   nobody (uid and gid 65534, no groups) if it was root; no
 *              capabilities, no new privileges; not dumpable, no core, umask 077;
 *              killed by the kernel when its parent dies
 *   limits     address space; no file may grow, no descriptor or process may be made
 *   Landlock   no file can be opened, no TCP port used, no process outside signalled
 *   seccomp    about a dozen system calls are allowed, some only with certain arguments
 * Either all layers work or it is an error: there is no weaker mode. Needs Linux 5.13
 * with Landlock, and an architecture that libseccomp knows.
 *
 * A forbidden system call kills the process with SIGSYS. Under AddressSanitizer,
 * whose runtime makes its own calls, it fails with ENOSYS instead, a few more calls
 * are allowed, and the address space is not limited (it contains terabytes of shadow
 * memory). Which of the two applies is decided at compile time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Sets of descriptors 0 to 31, one bit each. Those in no set are closed. */
struct sandbox_plan {
    uint32_t read_fds;  /* read() is allowed */
    uint32_t write_fds; /* write() is allowed */
    uint32_t pread_fds; /* pread() is allowed */
    bool grows_file;    /* a descriptor of write_fds is a regular file */
    uint64_t memory;    /* bytes that it may map in addition to what it has now; 0: no limit */
    unsigned cpu_s;     /* seconds of processor time; 0: no limit */
    pid_t parent;       /* this process dies when that one does; 0: it outlives its parent */
};

#define SANDBOX_FD(fd) (UINT32_C(1) << (fd))

/* Does in advance what libraries do at their first use and could not do later. A process that forks
 * several sandboxed children calls it once, to save them the time. */
void sandbox_warm_up(void);
/* Enters the sandbox, permanently. The process must have only one thread. After a failure
 * (unsupported: the kernel lacks a layer) the process can only exit. */
int sandbox_enter(const struct sandbox_plan *plan, struct err *err);
/* Proves that the sandbox denies: forks a process that enters it and tries to open a file, once
 * with only Landlock and once with the filter too. Blocks for about a millisecond. -1: the sandbox
 * could not be entered, or did not deny. */
int sandbox_prove(struct err *err);
/* The kernel's version of Landlock; 0: none. */
int sandbox_landlock_version(void);
