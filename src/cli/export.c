/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/rows.h"
#include "cli/verb.h"

static const struct options_row export_rows[] = {
    ROW_REPOSITORY,
    ROW_IN_SCOPE,
    {"point", OPTION_TEXT, "POINT",
     "an id, GUEST@ID, latest (the default), or a time: the last before it", ARGUMENT(point)},
    ROW_DOMAINS,
    ROW_EXCLUDE_DOMAINS,
    {"destination-path", OPTION_TEXT, "PATH", "folder for the backups; created if it is missing",
     ARGUMENT(destination), .required = true},
    ROW_REPLACE_BACKUP,
    ROW_COMPRESSION,
    ROW_CARRY_STAGING,
    ROW_WAIT,
    ROW_CHILDREN,
    ROW_MEMORY_LIMIT,
    ROW_BANDWIDTH_LIMIT,
    ROW_NICE,
    ROW_COMPRESSION_BUFFER,
    ROW_CHUNK_SIZE,
    ROW_CHILD_COMMAND,
    ROW_NO_SANDBOX,
    ROW_QUIET,
    ROW_VERBOSE,
    ROW_JSON,
};

static int run_export(const struct arguments *arguments, struct verb_run *run, struct err *err)
{
    const struct carry_options options = {
        .source = {.path = arguments->repository,
                   .is_repository = true,
                   .scope = arguments->scope,
                   .parser = run->parser},
        .destination = {.path = arguments->destination, .parser = run->parser},
        .point = arguments->point,
        .domains = lists_borrow(&arguments->domains),
        .exclude_domains = lists_borrow(&arguments->exclude_domains),
        .codec = arguments->codec,
        .staging_path = arguments->staging_path,
        .children = arguments->children,
        .wait_ms = arguments->wait_ms,
        .replace = arguments->replace_backup,
    };

    return carry_run(&options, run->spawner, &run->report, &run->outcome, err);
}

const struct verb export_verb = {
    .name = "export",
    .summary = "write points of a repository into a folder",
    .description =
        "Makes a backup in a folder of a point of each guest: ordinary files, which other\n"
        "programs can read, too. The points stay where they are.",
    .done = "exported",
    .relation = "stored in",
    .options = {.rows = export_rows, .count = sizeof(export_rows) / sizeof(*export_rows)},
    .has_children = true,
    .makes_archive = true,
    .run = run_export,
};
