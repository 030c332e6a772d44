/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Gives way to others: the CPU and disk priority of this process and everything it forks from now
 * on.
 */
#pragma once

#include "base/err.h"

#define PRIORITY_NICE_MAX 19

/* nice: 0 to PRIORITY_NICE_MAX. Priority is only ever lowered: a process that is already at least
 * this nice stays as it is. The kernel derives the disk priority from it; at PRIORITY_NICE_MAX we
 * use disks only when nobody else does (I/O class idle). */
int priority_lower(unsigned nice, struct err *err);
