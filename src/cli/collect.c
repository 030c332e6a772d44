/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/rows.h"
#include "cli/verb.h"

static const struct options_row collect_rows[] = {
    ROW_REPOSITORY,
    ROW_SCOPE("only this scope of it; default: each in turn"),
    ROW_TRASH_AGE,
    ROW_SILENCE,
    {"wait", OPTION_FLAG, NULL, "wait for sessions, instead of leaving the rest to a later run",
     ARGUMENT(collect.wait)},
    ROW_ALONE,
    ROW_NFS_OK,
    ROW_MEMORY_LIMIT,
    ROW_DRY_RUN("show how much could be removed, but remove nothing"),
    ROW_NO_SANDBOX,
    ROW_QUIET,
    ROW_VERBOSE,
    ROW_JSON,
};

static int set_defaults(struct arguments *arguments, struct err *err)
{
    (void)err;
    keep_collect_defaults(&arguments->collect);
    return 0;
}

static int run_collect(const struct arguments *arguments, struct verb_run *run, struct err *err)
{
    struct collect_options options = arguments->collect;

    options.repository = arguments->repository;
    options.scope = arguments->scope;
    options.parser = run->parser;
    options.dry_run = arguments->dry_run;
    options.memory_limit = arguments->children.memory_limit;
    return keep_collect(&options, &run->report, &run->outcome, err);
}

const struct verb collect_verb = {
    .name = "collect",
    .summary = "remove points in the trash, and what no point needs",
    .description =
        "Removes points that have been in the trash for long enough, and data that no point of\n"
        "the repository refers to. Backups may run at the same time; those that were under way "
        "when it\n"
        "began must end before anything is removed, so a collection may take several runs.",
    .options = {.rows = collect_rows, .count = sizeof(collect_rows) / sizeof(*collect_rows)},
    .prepare = set_defaults,
    .has_parser = true,
    .run = run_collect,
};
