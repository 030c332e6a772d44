/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/exit_status.h"

#include <string.h>

#include "base/cleanup.h"
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

char *exit_status_text(int status)
{
    static const char *const texts[] = {
        [STATUS_GOOD] = "everything is done",
        [STATUS_FAILED] = "failed",
        [STATUS_USAGE] = "the command line is wrong",
        [STATUS_SOME_FAILED] = "some guests failed, the others are good",
        [STATUS_DAMAGED] = "damage was found",
        [STATUS_STRANDED] = "a guest could not be put back into its former state",
        [STATUS_BUSY] = "another run is using the archive or the guests",
    };

    if (status > STATUS_SIGNAL) {
        const char *name = sigabbrev_np(status - STATUS_SIGNAL);
        return mem_printf("stopped by SIG%s", name ? name : "");
    }
    return mem_strdup(texts[status]);
}

int exit_status_of_run(const struct err *err, const struct outcome *outcome)
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
