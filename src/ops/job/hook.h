/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Programs of the user that are told what a job does. The event is a JSON object on their standard input, and
 * its main members are in the environment: VIRT_BACKUP_EVENT, _JOB, _GUEST, _UUID, _POINT, _STATUS,
 * _REASON. Those that do not apply are empty. What they write goes to standard error.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "ops/job/job.h"
#include "ops/job/plan.h"
#include "ops/job/watch.h"

#define HOOK_LIMIT_S 600u
#define HOOK_GRACE_MS 10000u

struct hook_event {
    const char *event; /* "before", "after", "failed" */
    const struct job_plan *plan;
    const struct job_guest *guest; /* NULL: it is about the job as a whole */
    const char *point;             /* NULL: none was made */
    uint64_t read;
    uint64_t stored;
    int status;         /* of the backup, or of the job */
    const char *reason; /* why it has failed; NULL: it has not, or not begun */
    struct json *more;  /* member "guests" of the object, taken over; NULL: it has none */
};

struct hook {
    const struct strings *argv; /* count 0: nothing is done, which is good */
    unsigned limit_s;           /* 0: HOOK_LIMIT_S */
    unsigned grace_ms;          /* 0: HOOK_GRACE_MS */
    bool undoing;               /* as in struct job_child */
    struct watch *watch;
};

/* Fails if it cannot be started, exits non-zero, is killed, or exceeds its time. The error names the
 * hook, not the guest. Cancelled: a signal came before or while it ran. */
int hook_run(const struct hook *hook, const struct hook_event *event, struct err *err);
