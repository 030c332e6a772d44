/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/verb.h"

#include <string.h>

static int parse_guest_memory(const char *text, void *ret_memory, struct err *err)
{
    static const struct {
        const char *name;
        enum guest_memory value;
    } ways[] = {
        {"live", GUEST_MEMORY_LIVE},
        {"pause", GUEST_MEMORY_PAUSE},
        {"save", GUEST_MEMORY_SAVE},
        {"none", GUEST_MEMORY_NONE},
    };

    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
        if (strcmp(text, ways[i].name) == 0) {
            *(enum guest_memory *)ret_memory = ways[i].value;
            return 0;
        }
    return err_set(err, ERR_USAGE, "unknown value '%s'; choose live, pause, save or none", text);
}

static const struct options_row rows[] = {
    {"destination-path", OPTION_TEXT, "PATH", "folder for the backups; created if it is missing",
     ARGUMENT(destination)},
    ROW_IN_REPOSITORY,
    ROW_IN_SCOPE,
    ROW_URI,
    ROW_DOMAINS,
    ROW_EXCLUDE_DOMAINS,
    {"exclude-disk", OPTION_NAMES, "DISKS", "leave out these disks: vdb, or GUEST:vdb",
     ARGUMENT(exclude_disks)},
    ROW_COMPRESSION,
    {"guest-memory", OPTION_PARSED, "HOW",
     "how a running guest is captured: live, pause, save or none", ARGUMENT(guest_memory),
     .parse = parse_guest_memory},
    {"scratch-path", OPTION_TEXT, "PATH",
     "folder for what a running guest overwrites while its disks are read", ARGUMENT(scratch_path)},
    {"staging-path", OPTION_TEXT, "PATH",
     "folder in which libvirt writes a guest's memory before it is stored", ARGUMENT(staging_path)},
    ROW_REPLACE_BACKUP,
    {"tag", OPTION_LIST, "TAGS", "of a repository: words for the points that are made",
     ARGUMENT(tags)},
    {"like", OPTION_TEXT, "GUEST", "of a repository: a guest that has much in common with these",
     ARGUMENT(like)},
    {"no-refresh", OPTION_FLAG, NULL, "of a repository: go on using packs of which little is used",
     ARGUMENT(no_refresh)},
    {"full-read", OPTION_FLAG, NULL, "of a repository: read disks whole, not only what has changed",
     ARGUMENT(full_read)},
    ROW_WAIT,
    ROW_CHILDREN,
    ROW_MEMORY_LIMIT,
    ROW_BANDWIDTH_LIMIT,
    ROW_NICE,
    ROW_COMPRESSION_BUFFER,
    ROW_CHUNK_SIZE,
    ROW_CHILD_COMMAND,
    ROW_NO_SANDBOX,
    ROW_DRY_RUN("show what would be done, but do nothing"),
    ROW_QUIET,
    ROW_VERBOSE,
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
        .domains = lists_borrow(&arguments->domains),
        .exclude_domains = lists_borrow(&arguments->exclude_domains),
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
    .options = {.rows = rows, .count = sizeof(rows) / sizeof(*rows)},
    .has_children = true,
    .has_guardian = true,
    .makes_archive = true,
    .run = run_backup,
};
