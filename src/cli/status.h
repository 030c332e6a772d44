/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Exit statuses.
 */
#pragma once

#include "base/err.h"
#include "ops/report.h"

enum status {
    STATUS_GOOD = 0,
    STATUS_FAILED = 1,
    STATUS_USAGE = 2,
    STATUS_SOME_FAILED = 3, /* the other guests are good */
    STATUS_DAMAGED = 4,     /* verify found damage */
    STATUS_STRANDED = 5,    /* a guest is not in its former state */
    STATUS_BUSY = 6,
    STATUS_SIGNAL = 128, /* plus the signal's number */
};

/* The status of a run. err: the error of the run as a whole, or one that is not
 * set. Of several the gravest: 5, 4, then the signal, then the error of the run,
 * then 1 (every guest failed), 6 (every guest, because others work on them) or 3. */
int status_of_run(const struct err *err, const struct outcome *outcome);

/* "some guests failed", "stopped by SIGTERM"; what systemd does not know of a number that
 * it calls 3/NOTIMPLEMENTED. */
char *status_text(int status);
