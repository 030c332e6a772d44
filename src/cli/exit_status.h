/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Exit statuses.
 */
#pragma once

#include "base/err.h"
#include "ops/events/report.h"

enum exit_status {
    STATUS_GOOD = 0,
    STATUS_FAILED = 1,
    STATUS_USAGE = 2,
    STATUS_SOME_FAILED = 3, /* the other guests succeeded */
    STATUS_DAMAGED = 4,     /* verify found damage */
    STATUS_STRANDED = 5,    /* a guest is not back in its former state */
    STATUS_BUSY = 6,
    STATUS_SIGNAL = 128, /* plus the signal's number */
};

/* The status of a run. err: the error of the whole run, or an unset one. If several apply, the
 * first of these: 5, 4, the signal, the error of the run, 1 (every guest failed), 6 (every guest
 * failed because others work on them), 3. */
int exit_status_of_run(const struct err *err, const struct outcome *outcome);

/* "some guests failed", "stopped by SIGTERM": the meaning of a number that systemd shows only as
 * 3/NOTIMPLEMENTED. */
char *exit_status_text(int status);
