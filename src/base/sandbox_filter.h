/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The sandbox's list of system calls, as a seccomp filter. What it allows is in one table;
 * everything else is denied, including all calls of a foreign instruction set (32-bit x86, x32).
 */
#pragma once

#include <stdbool.h>

#include "base/sandbox.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANDBOX_FILTER_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANDBOX_FILTER_SANITIZED 1
#endif
#endif
#ifndef SANDBOX_FILTER_SANITIZED
#define SANDBOX_FILTER_SANITIZED 0
#endif

/* What happens on a denied call. */
enum sandbox_denial {
    SANDBOX_DENIAL_KILL, /* the process is killed with SIGSYS */
    SANDBOX_DENIAL_ERRNO /* it fails with ENOSYS */
};

/* Installs the filter for the calling process, which must have set no_new_privs. */
int sandbox_filter_install(const struct sandbox_plan *plan, enum sandbox_denial denial,
                           struct err *err);
