/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whether another process still gets on. It does if it uses CPU time, or if its owner had something
 * from it. A process that does neither for ten minutes waits for what does not come: it was stopped,
 * or its storage hangs. However slow a disk is, its answers come within seconds, and each one costs
 * its reader CPU time. Storage that was lost may come back within ten minutes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define STALL_LIMIT_MS (UINT64_C(10) * 60 * 1000)
/* Look this often. Of the time between two looks no more than twice this counts: while we did not
 * run ourselves, it may not have run either. */
#define STALL_LOOK_MS 1000

struct stall { /* its fields are private */
    pid_t pid;
    uint64_t cpu_ns;
    uint64_t looked_ms;
    uint64_t idle_ms;
};

struct stall stall_begin(pid_t pid);
/* It has done something that its owner has seen. */
void stall_note(struct stall *stall);
/* True if it has done nothing for too long. */
bool stall_look(struct stall *stall);
