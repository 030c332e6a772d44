/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/verb.h"

#include <string.h>

static int parse_guest_memory(const char *text, void *ret_memory, struct err *err)
{
    if (strcmp(text, "save") != 0)
        return err_set(err, ERR_USAGE, "'%s' is not possible; possible is: save", text);
    *(enum guest_memory *)ret_memory = GUEST_MEMORY_SAVE;
    return 0;
}

static const struct options_row rows[] = {
    {"destination-path", OPTION_TEXT, "PATH", "folder for the backups; made if it is missing",
     ARGUMENT(destination), .required = true},
    ROW_URI,
    ROW_DOMAINS,
    ROW_EXCLUDE_DOMAINS,
    {"exclude-disk", OPTION_NAMES, "DISKS", "leave out these disks: vdb, or GUEST:vdb",
     ARGUMENT(exclude_disks)},
    ROW_COMPRESSION,
    {"guest-memory", OPTION_PARSED, "HOW", "how a running guest is captured: save",
     ARGUMENT(guest_memory), .parse = parse_guest_memory},
    {"replace", OPTION_FLAG, NULL, "exchange a backup of the same guest that is there already",
     ARGUMENT(replace)},
    ROW_CHILDREN,
    ROW_MEMORY_LIMIT,
    {"compression-buffer", OPTION_SIZE, "SIZE",
     "memory of one child's encoder, not the level's own", ARGUMENT(children.compression_buffer)},
    ROW_CHUNK_SIZE,
    ROW_CHILD_COMMAND,
    ROW_DRY_RUN("show what would be done, and do nothing"),
    ROW_QUIET,
    ROW_VERBOSE,
    ROW_JSON,
};

static int run(const struct arguments *arguments, struct verb_run *run, struct err *err)
{
    const struct backup_options options = {
        .destination = arguments->destination,
        .uri = arguments->uri,
        .domains = lists_borrow(&arguments->domains),
        .exclude_domains = lists_borrow(&arguments->exclude_domains),
        .exclude_disks = lists_borrow(&arguments->exclude_disks),
        .codec = arguments->codec,
        .guest_memory = arguments->guest_memory,
        .children = arguments->children,
        .replace = arguments->replace,
        .dry_run = arguments->dry_run,
    };

    return backup_run(&options, run->spawner, &run->report, &run->outcome, err);
}

const struct verb backup_verb = {
    .name = "backup",
    .summary = "save guests: disks, memory, definition",
    .description =
        "Saves guests into a folder. A running guest is saved with its memory and goes on\n"
        "afterwards.",
    .done = "backed up",
    .options = {rows, sizeof(rows) / sizeof(*rows)},
    .has_children = true,
    .run = run,
};
