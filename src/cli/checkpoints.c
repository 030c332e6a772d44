/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/rows.h"
#include "cli/verb.h"

static const struct options_row checkpoints_rows[] = {
    ROW_URI,
    ROW_DOMAINS,
    {"remove", OPTION_NAMES, "NAMES", "remove those of these guests", ARGUMENT(remove_guests)},
    ROW_WAIT,
    ROW_QUIET,
    ROW_VERBOSE,
    ROW_JSON,
};

static int run_checkpoints(const struct arguments *arguments, struct verb_run *run, struct err *err)
{
    bool remove = arguments->remove_guests.count > 0;
    const struct checkpoints_options options = {
        .uri = arguments->uri,
        .domains = lists_borrow(remove ? &arguments->remove_guests : &arguments->domains),
        .wait_ms = arguments->wait_ms,
        .remove = remove,
    };

    if (remove && arguments->domains.count > 0)
        return err_set(err, ERR_USAGE, "give either --domain-names or --remove");
    return checkpoints_run(&options, &run->report, &run->outcome, err);
}

const struct verb checkpoints_verb = {
    .name = "checkpoints",
    .summary = "show or remove what backups left with guests to follow them",
    .description =
        "Shows the checkpoints that backups into a repository have made, by which the next one\n"
        "knows what has changed. Without them it reads everything once.",
    .options = {.rows = checkpoints_rows,
                .count = sizeof(checkpoints_rows) / sizeof(*checkpoints_rows)},
    .run = run_checkpoints,
};
