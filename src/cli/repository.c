/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/rows.h"
#include "cli/verb.h"

#include <string.h>

static const struct options_row repository_words = {NULL,
                                                    OPTION_LIST,
                                                    "create URL",
                                                    "make a repository in this folder",
                                                    ARGUMENT(words),
                                                    .required = true};

static const struct options_row repository_rows[] = {
    ROW_SCOPE("its first scope; default: default"),
    ROW_QUIET,
    ROW_VERBOSE,
    ROW_JSON,
};

static int run_repository(const struct arguments *arguments, struct verb_run *run, struct err *err)
{
    const struct strings *given = &arguments->words;

    if (strcmp(given->items[0], "create") != 0)
        return err_set(err, ERR_USAGE, "there is no 'repository %s'; write: repository create URL",
                       given->items[0]);
    if (given->count != 2)
        return err_set(err, ERR_USAGE, "repository create takes one URL, the path of a folder");
    const struct create_options options = {
        .repository = given->items[1],
        .scope = arguments->scope,
    };
    return keep_create(&options, &run->report, err);
}

const struct verb repository_verb = {
    .name = "repository",
    .summary = "make a repository",
    .description =
        "Makes a repository, in which backups of many guests share what they have in common.\n"
        "The folder is made, too, or must be empty.",
    .options = {.rows = repository_rows,
                .count = sizeof(repository_rows) / sizeof(*repository_rows),
                .words = &repository_words},
    .run = run_repository,
};
