/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What /proc and /sys/fs/cgroup say about memory and CPUs. Both layouts of
 * control groups are known: one tree for all (v2), one for each controller (v1).
 * The limits of all groups from this process's up to the root count.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "mtcp/sizing.h"

/* Reads below `root` ("" for the machine itself). A missing file means no limit, except for
 * /proc/meminfo, which must exist. available_memory is the least of the machine's and of what
 * each limited group has left, its page cache counted as free. cpus comes from quotas alone:
 * UINT_MAX without one. */
int sizing_host_read(const char *root, struct sizing_host *ret, struct err *err);

/* The parsers by themselves. */

/* The number after NAME at the start of a line ("NAME: 12 kB", "NAME 12"), in bytes. False if
 * there is no such line. */
bool sizing_host_field(const char *text, const char *name, uint64_t *ret);
/* The path of this process's group in /proc/self/cgroup for a v1 controller, or
 * with "" for v2; NULL if it is not listed. The caller frees it. */
char *sizing_host_group(const char *text, const char *controller);
/* A limit in bytes: UINT64_MAX for "max", -1, and everything else that means no limit. */
uint64_t sizing_host_limit(const char *text);
/* CPUs that cpu.max ("200000 100000") allows, rounded up; UINT_MAX: no limit. */
unsigned sizing_host_cpu_max(const char *text);
