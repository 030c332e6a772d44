/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/status.h"

#include "base/quit.h"

static int of_error(const struct err *err)
{
    switch (err->kind) {
    case ERR_USAGE:
        return STATUS_USAGE;
    case ERR_BUSY:
        return STATUS_BUSY;
    default:
        return STATUS_FAILED;
    }
}

int status_of_run(const struct err *err, const struct outcome *outcome)
{
    int signal =
        err->kind == ERR_CANCELLED && !outcome->signal ? quit_requested() : outcome->signal;

    if (outcome->stranded)
        return STATUS_STRANDED;
    if (outcome->damaged)
        return STATUS_DAMAGED;
    if (signal)
        return STATUS_SIGNAL + signal;
    if (err->text)
        return of_error(err);
    if (outcome->failed == 0)
        return STATUS_GOOD;
    if (outcome->good)
        return STATUS_SOME_FAILED;
    return outcome->busy == outcome->failed ? STATUS_BUSY : STATUS_FAILED;
}
