/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the wrappers have in common. They are linked with shim.c, or with calls.c, which
 * decide what each call meets.
 */
#pragma once

#include <stdbool.h>

#define LABEL_SIZE 160

enum deed {
    NOTHING,
    KILL_BEFORE,
    KILL_AFTER,
    KILL_DURING,
    FAIL,
    HOLD,
    LIE, /* of a write: nothing is done, and success is told */
};

/* Called at the beginning of each effect; does what is to be done before it. MANY: calls
 * of its kind come in great numbers. */
enum deed shim_meet(const char *name, const char *detail, bool many, const void *caller);
/* Called at its end. */
void shim_settle(enum deed deed);
/* With what a call fails: with this, or with what the harness says. */
int shim_error(int usual);
/* Called in what has been forked, before anything else. */
void shim_forked(void);
/* The function that is wrapped. */
void *shim_next(const char *name);

/* False: calls count that change something outside the process. True: all do, and nothing is
 * asked of the system on their behalf. */
extern const bool shim_counts_all;
/* Whether a label is worth system calls. A child in its sandbox may not even look what a
 * descriptor leads to. */
bool shim_may_ask(void);

/* Set by a wrapper that has let its call fail, cleared by the next effect. */
extern __thread bool shim_libvirt_failed;
extern __thread bool shim_libnbd_failed;

#define FAIL_ERRNO(VALUE, ERRNO)                                                                   \
    errno = shim_error(ERRNO);                                                                     \
    return (VALUE)
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
