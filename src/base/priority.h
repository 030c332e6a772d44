/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Standing back for others: the priority of this process and of all that it forks
 * from now on, on the CPUs and at the disks.
 */
#pragma once

#include "base/err.h"

#define PRIORITY_NICE_MAX 19

/* nice: 0 to PRIORITY_NICE_MAX. Priority is only ever lowered: who is that nice already
 * stays as he is. The kernel derives the priority at the disks from it; at
 * PRIORITY_NICE_MAX they are used only when nobody else does (I/O class idle). */
int priority_lower(unsigned nice, struct err *err);
