/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/rows.h"
#include "cli/verb.h"

static const struct options_row list_rows[] = {
    ROW_SOURCE,
    ROW_IN_REPOSITORY,
    ROW_SCOPE("only this scope of the repository; default: all"),
    ROW_DOMAINS,
    {"holds", OPTION_FLAG, NULL, "of a repository: only points that are held, by whom and why",
     ARGUMENT(holds)},
    {"partial", OPTION_FLAG, NULL,
     "of a repository: also points of backups that were not completed", ARGUMENT(partial)},
    ROW_NO_SANDBOX,
    ROW_JSON,
};

static int run_list(const struct arguments *arguments, struct verb_run *run, struct err *err)
{
    struct list_options options = {
        .domains = lists_borrow(&arguments->domains),
        .holds = arguments->holds,
        .partial = arguments->partial,
    };

    if (arguments_place(arguments, arguments->source, "source-path", &options.source, err) < 0)
        return -1;
    options.source.parser = run->parser;
    if (arguments->source && (arguments->holds || arguments->partial))
        return err_set(err, ERR_USAGE, "--%s applies to --repository only",
                       arguments->holds ? "holds" : "partial");
    return list_run(&options, &run->report, &run->outcome, err);
}

const struct verb list_verb = {
    .name = "list",
    .summary = "show what a folder of backups holds",
    .description = "Shows the backups in a folder, as their manifests describe them.",
    .options = {.rows = list_rows, .count = sizeof(list_rows) / sizeof(*list_rows)},
    .has_parser = true,
    .run = run_list,
};
