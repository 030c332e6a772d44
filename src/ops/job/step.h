/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One step of a job: this program with another verb, as a process. What it tells with --json is read
 * for what the job needs to know of it. It comes from a process that works on what guests and stores
 * hold, so nothing is believed but its form: what is no object is passed over, and a step that has said
 * nothing of a good end has come to none.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/strings.h"
#include "ops/events/report.h"
#include "ops/job/watch.h"

struct job_step {
    const char *program;         /* its path */
    const struct strings *words; /* of its command line, without --json */
    bool silent;                 /* its standard error is not passed on */
    /* Gets each of its objects; NULL: nobody does. */
    void (*object)(void *opaque, const struct json *object);
    void (*progress)(void *opaque, const struct progress *progress);
    void *opaque;
    struct watch *watch;
};

struct job_step_end {
    int status;         /* exit status; 128 + N: it was killed by signal N */
    enum err_kind kind; /* of the reason */
    char *reason;       /* owned, one line; NULL: it is good */
    bool told;          /* the step has shown the reason on standard error */
    uint64_t objects;   /* that it has written */
    unsigned done;      /* guests that it has told as done */
    char *point;        /* owned; the id of the last point of those; NULL: none has one */
    uint64_t read;      /* bytes of images that were read */
    uint64_t stored;    /* bytes that were added to the store */
};

void job_step_end_clear(struct job_step_end *end);
#define CLEANUP_JOB_STEP_END CLEANUP(job_step_end_clear)

/* Runs it to its end, which is told in *ret whatever it is: also that it could not be started. The
 * caller clears *ret. */
void job_step_run(const struct job_step *step, struct job_step_end *ret);
