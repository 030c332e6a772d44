/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/verb.h"

#include "cli/rows.h"

static const struct options_row backup_rows[] = {
    ROW_DESTINATION,  ROW_IN_REPOSITORY,
    ROW_IN_SCOPE,     ROW_URI,
    ROW_DOMAINS,      ROW_DOMAIN_TITLES,
    ROW_DOMAIN_TAGS,  ROW_EXCLUDE_DOMAINS,
    ROW_EXCLUDE_DISK, ROW_COMPRESSION,
    ROW_GUEST_MEMORY, ROW_SCRATCH,
    ROW_STAGING,      ROW_REPLACE_BACKUP,
    ROW_TAG,          ROW_LIKE,
    ROW_NO_REFRESH,   ROW_FULL_READ,
    ROW_WAIT,         ROW_CHILDREN,
    ROW_MEMORY_LIMIT, ROW_BANDWIDTH_LIMIT,
    ROW_NICE,         ROW_COMPRESSION_BUFFER,
    ROW_CHUNK_SIZE,   ROW_CHILD_COMMAND,
    ROW_NO_SANDBOX,   ROW_DRY_RUN("show what would be done, but do nothing"),
    ROW_QUIET,        ROW_VERBOSE,
    ROW_JSON,
};

static int check_repository(const struct arguments *arguments, struct err *err)
{
    if (!arguments->repository &&
        (arguments->tags.count || arguments->like || arguments->no_refresh || arguments->full_read))
        return err_set(err, ERR_USAGE,
                       "--tag, --like, --no-refresh and --full-read apply to --repository only");
    if (arguments->repository && arguments->replace_backup != POINTS_KEEP)
        return err_set(
            err, ERR_USAGE,
            "--replace does not apply to --repository, where each backup is kept until it "
            "is removed");
    if (arguments->repository && arguments->children.chunk_size)
        return err_set(err, ERR_USAGE,
                       "--chunk-size does not apply to --repository, which has its own");
    return 0;
}

static int run_backup(const struct arguments *arguments, struct verb_run *run, struct err *err)
{
    struct backup_options options = {
        .uri = arguments->uri,
        .choice = arguments_choice(arguments),
        .exclude_disks = lists_borrow(&arguments->exclude_disks),
        .codec = arguments->codec,
        .guest_memory = arguments->repository && arguments->guest_memory == GUEST_MEMORY_AUTO
                            ? GUEST_MEMORY_SPARING
                            : arguments->guest_memory,
        .scratch_path = arguments->scratch_path,
        .staging_path = arguments->staging_path,
        .children = arguments->children,
        .guardian = run->guardian,
        .wait_ms = arguments->wait_ms,
        .replace = arguments->replace_backup,
        .like = arguments->like,
        .no_refresh = arguments->no_refresh,
        .full_read = arguments->full_read,
        .tags = lists_borrow(&arguments->tags),
        .dry_run = arguments->dry_run,
    };

    if (arguments_place(arguments, arguments->destination, "destination-path", &options.destination,
                        err) < 0 ||
        check_repository(arguments, err) < 0)
        return -1;
    options.destination.parser = run->parser;
    return backup_run(&options, run->spawner, &run->report, &run->outcome, err);
}

const struct verb backup_verb = {
    .name = "backup",
    .summary = "save guests: disks, memory, definition",
    .description =
        "Saves guests into a folder. A running guest is saved with its memory; it is stopped\n"
        "only for a moment, and then resumed.",
    .done = "backed up",
    .relation = "stored in",
    .options = {.rows = backup_rows, .count = sizeof(backup_rows) / sizeof(*backup_rows)},
    .has_children = true,
    .has_guardian = true,
    .makes_archive = true,
    .run = run_backup,
};
