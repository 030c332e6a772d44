/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/rows.h"
#include "cli/verb.h"

static const struct options_row copy_rows[] = {
    {"from", OPTION_TEXT, "PATH", "folder that holds the backups", ARGUMENT(source),
     .required = true},
    {"to", OPTION_TEXT, "URL", "the repository: a folder", ARGUMENT(repository), .required = true},
    ROW_IN_SCOPE,
    ROW_DOMAINS,
    ROW_EXCLUDE_DOMAINS,
    {"tag", OPTION_LIST, "TAGS", "words for the points that are made", ARGUMENT(tags),
     .parse = arguments_parse_point_tags},
    ROW_COMPRESSION,
    ROW_CARRY_STAGING,
    ROW_CHILDREN,
    ROW_MEMORY_LIMIT,
    ROW_BANDWIDTH_LIMIT,
    ROW_NICE,
    ROW_COMPRESSION_BUFFER,
    ROW_CHILD_COMMAND,
    ROW_NO_SANDBOX,
    ROW_QUIET,
    ROW_VERBOSE,
    ROW_JSON,
};

static int run_take_over(const struct arguments *arguments, struct verb_run *run, struct err *err)
{
    const struct carry_options options = {
        .source = {.path = arguments->source, .parser = run->parser},
        .destination = {.path = arguments->repository,
                        .is_repository = true,
                        .scope = arguments->scope,
                        .parser = run->parser},
        .domains = lists_borrow(&arguments->domains),
        .exclude_domains = lists_borrow(&arguments->exclude_domains),
        .codec = arguments->codec,
        .staging_path = arguments->staging_path,
        .children = arguments->children,
        .tags = lists_borrow(&arguments->tags),
    };

    return carry_run(&options, run->spawner, &run->report, &run->outcome, err);
}

const struct verb copy_verb = {
    .name = "copy",
    .summary = "take backups of a folder into a repository",
    .description =
        "Makes a point of each backup in a folder, in a repository. The backups stay where they\n"
        "are.",
    .done = "copied",
    .relation = "stored in",
    .options = {.rows = copy_rows, .count = sizeof(copy_rows) / sizeof(*copy_rows)},
    .has_children = true,
    .run = run_take_over,
};
