/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a sandboxed process must not do: one system call each. Where nothing denies
 * them they do no harm: what they name does not exist, or is the process itself.
 */
#pragma once

#include <stddef.h>

/* Numbers from here on are x32's. */
#define FORBIDDEN_X32 0x40000000L

struct forbidden {
    const char *name;
    long call;
    long arguments[6];
};

extern const struct forbidden forbidden_calls[];
extern const size_t forbidden_count;
