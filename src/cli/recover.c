/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/rows.h"
#include "cli/verb.h"
#include "ops/undo/recover.h"

static const struct options_row recover_rows[] = {
    {"dismiss", OPTION_NAMES, "NAMES",
     "no longer put these guests back; the files that the run left are yours", ARGUMENT(dismiss)},
    ROW_WAIT,
    ROW_QUIET,
    ROW_VERBOSE,
    ROW_JSON,
};

static int run_recover(const struct arguments *arguments, struct verb_run *run, struct err *err)
{
    const struct recover_options options = {
        .dismiss = lists_borrow(&arguments->dismiss),
        .wait_ms = arguments->wait_ms,
    };

    return recover_run(&options, &run->report, &run->outcome, err);
}

const struct verb recover_verb = {
    .name = "recover",
    .summary = "put back what an interrupted run left behind",
    .description =
        "Puts guests back into the state in which a backup found them, when that backup was\n"
        "killed and could not do it itself. backup and restore do this too when they begin.",
    .done = "put back",
    .options = {.rows = recover_rows, .count = sizeof(recover_rows) / sizeof(*recover_rows)},
    .run = run_recover,
};
