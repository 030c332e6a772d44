/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/rows.h"
#include "cli/verb.h"

static const struct options_row repair_words = {NULL,
                                                OPTION_LIST,
                                                "POINT...",
                                                "8 or more digits of an id, or GUEST@ID",
                                                ARGUMENT(words),
                                                .required = true};

static const struct options_row repair_rows[] = {
    ROW_REPOSITORY,
    {"set-aside", OPTION_FLAG, NULL, "copy points that cannot be read aside, and give them up",
     ARGUMENT(set_aside), .required = true},
    ROW_SCOPE("only points of this scope"),
    ROW_NO_SANDBOX,
    ROW_QUIET,
    ROW_VERBOSE,
    ROW_JSON,
};

static int run_repair(const struct arguments *arguments, struct verb_run *run, struct err *err)
{
    const struct mark_options options = {
        .action = MARK_SET_ASIDE,
        .repository = arguments->repository,
        .scope = arguments->scope,
        .parser = run->parser,
        .points = lists_borrow(&arguments->words),
        .reason = "unreadable",
    };

    return keep_mark(&options, &run->report, &run->outcome, err);
}

const struct verb repair_verb = {
    .name = "repair",
    .summary = "let a repository with damaged points be collected",
    .description =
        "A point that cannot be read stops collections, because nobody knows what it needs. This\n"
        "copies such points to where they are in nobody's way, and has the next collection\n"
        "remove them with what only they used.",
    .options = {.rows = repair_rows,
                .count = sizeof(repair_rows) / sizeof(*repair_rows),
                .words = &repair_words},
    .has_parser = true,
    .run = run_repair,
};
