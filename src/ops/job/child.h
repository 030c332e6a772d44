/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A process that a job runs: a step, or a hook. Its loop waits for what it writes, for its end, for the
 * end of its time, and for signals to us, which it gets, too.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "ops/job/watch.h"

struct job_child {
    const char *path;            /* of the program; NULL: argv[0], looked up in PATH */
    const char *const *argv;     /* NULL-terminated */
    const char *const *settings; /* as in struct launch; may be NULL */
    int input_fd;                /* its standard input; -1: /dev/null */
    bool silent;                 /* its standard error is /dev/null, else ours */
    /* Gets each line of its standard output, without the newline and with a NUL in its place; one of
     * more than a MiB is cut. NULL: its standard output is our standard error. */
    void (*line)(void *opaque, const char *line, size_t len);
    void *opaque;
    /* 0: for ever. When it is over, its process group gets SIGTERM, and SIGKILL after the grace. */
    uint64_t limit_ms;
    uint64_t grace_ms;
    bool
        undoing; /* it is to run although a signal has asked us to stop: only a second one ends it */
    struct watch *watch;
};

struct job_child_end {
    int status;     /* as of waitpid */
    bool timed_out; /* its time was over; what it then said about its status does not count */
};

/* Runs it to its end. If it was killed and has a pipe, also waits until nobody has the other end any
 * more: the guardian of a step has it until the guest is put back. -1: it could not be started, or
 * not even SIGKILL has ended it; or a signal came before (cancelled). */
int job_child_run(const struct job_child *child, struct job_child_end *ret, struct err *err);
