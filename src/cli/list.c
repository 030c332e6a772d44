/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/verb.h"

static const struct options_row rows[] = {
    ROW_SOURCE,
    ROW_DOMAINS,
    ROW_JSON,
};

static int run_list(const struct arguments *arguments, struct verb_run *run, struct err *err)
{
    const struct list_options options = {
        .source = arguments->source,
        .domains = lists_borrow(&arguments->domains),
    };

    return list_run(&options, &run->report, &run->outcome, err);
}

const struct verb list_verb = {
    .name = "list",
    .summary = "show what a folder of backups holds",
    .description = "Shows the backups in a folder, as their manifests describe them.",
    .options = {.rows = rows, .count = sizeof(rows) / sizeof(*rows)},
    .run = run_list,
};
