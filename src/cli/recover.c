/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/verb.h"
#include "ops/recover.h"

static const struct options_row rows[] = {
    ROW_QUIET,
    ROW_VERBOSE,
    ROW_JSON,
};

static int run(const struct arguments *arguments, struct verb_run *run, struct err *err)
{
    (void)arguments;
    return recover_run(&run->report, &run->outcome, err);
}

const struct verb recover_verb = {
    .name = "recover",
    .summary = "put back what an interrupted run left behind",
    .description =
        "Puts guests back into the state in which a backup found them, when that backup was\n"
        "ended from outside and could not do it itself. backup and restore do it too when\n"
        "they begin.",
    .done = "put back",
    .options = {rows, sizeof(rows) / sizeof(*rows)},
    .run = run,
};
