/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the wrappers of the shim have in common.
 */
#pragma once

#include <stdbool.h>

#define LABEL_SIZE 160

enum deed { NOTHING, KILL_BEFORE, KILL_AFTER, KILL_DURING, FAIL, HOLD };

/* Called at the beginning of each effect; does what is to be done before it. MANY: calls
 * of its kind come in great numbers. */
enum deed shim_meet(const char *name, const char *detail, bool many, const void *caller);
/* Called at its end. */
void shim_settle(enum deed deed);
/* The function that is wrapped. */
void *shim_next(const char *name);

/* Set by a wrapper that has let its call fail, cleared by the next effect. */
extern __thread bool shim_libvirt_failed;
extern __thread bool shim_libnbd_failed;

#define CALLER __builtin_return_address(0)
#define WRAP(TYPE, NAME, PARAMETERS, ARGUMENTS, DETAIL, MANY, ON_FAIL)                             \
    TYPE NAME PARAMETERS                                                                           \
    {                                                                                              \
        static TYPE(*next) PARAMETERS;                                                             \
        enum deed deed = shim_meet(#NAME, DETAIL, MANY, CALLER);                                   \
        if (deed == FAIL) {                                                                        \
            ON_FAIL;                                                                               \
        }                                                                                          \
        if (!next)                                                                                 \
            *(void **)&next = shim_next(#NAME);                                                    \
        TYPE result = next ARGUMENTS;                                                              \
        shim_settle(deed);                                                                         \
        return result;                                                                             \
    }
