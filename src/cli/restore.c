/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/quit.h"
#include "cli/ask.h"
#include "cli/restore_ask.h"
#include "cli/rows.h"
#include "cli/verb.h"

static const struct options_row restore_rows[] = {
    ROW_SOURCE,
    ROW_IN_REPOSITORY,
    ROW_IN_SCOPE,
    {"point", OPTION_TEXT, "POINT",
     "of a repository: an id, latest (the default), or a time: the last before it",
     ARGUMENT(point)},
    {"hold", OPTION_FLAG, NULL, "of a repository: hold the points until they are restored",
     ARGUMENT(hold)},
    {"destination-path", OPTION_TEXT, "PATH", "folder for the restored disks",
     ARGUMENT(destination)},
    {"original-places", OPTION_FLAG, NULL, "put every file back where it was; no destination",
     ARGUMENT(original_places)},
    {"overwrite", OPTION_FLAG, NULL, "replace files that are in those places", ARGUMENT(overwrite)},
    ROW_URI,
    ROW_DOMAINS,
    ROW_EXCLUDE_DOMAINS,
    {"allow-autorun", OPTION_FLAG, NULL, "resume guests that were running when backed up",
     ARGUMENT(allow_autorun)},
    {"disks", OPTION_NAMES, "DISKS", "restore only these disks (vda,vdb); define no guest",
     ARGUMENT(disks)},
    {"disk-map", OPTION_MAPS, "DISK=PATH", "restore this disk to that block device or file",
     ARGUMENT(maps)},
    {"keep-left-out", OPTION_FLAG, NULL,
     "keep left-out disks in the definition, at their old places", ARGUMENT(keep_left_out)},
    {"new-name", OPTION_TEXT, "NAME", "restore as a guest with a new name, UUID and MAC addresses",
     ARGUMENT(new_name)},
    {"replace", OPTION_FLAG, NULL, "replace an existing guest of that name that is shut off",
     ARGUMENT(replace)},
    {"staging-path", OPTION_TEXT, "PATH",
     "folder for memory to resume from, if others can change the destination",
     ARGUMENT(staging_path)},
    {"trust-definition", OPTION_FLAG, NULL, "accept a guest that reaches beyond its own files",
     ARGUMENT(trust_definition)},
    ROW_WAIT,
    ROW_CHILDREN,
    ROW_MEMORY_LIMIT,
    ROW_BANDWIDTH_LIMIT,
    ROW_NICE,
    ROW_CHILD_COMMAND,
    ROW_NO_SANDBOX,
    ROW_DRY_RUN("show what would be done, but do nothing"),
    ROW_QUIET,
    ROW_VERBOSE,
    ROW_JSON,
};

/* Programs, and whoever says exactly what to do, are not asked. */
static bool may_ask(const struct arguments *arguments)
{
    return !arguments->json && !arguments->quiet && !arguments->dry_run && ask_is_possible();
}

static int check_places(const struct arguments *arguments, struct err *err)
{
    if (!arguments->destination && !arguments->original_places && !may_ask(arguments))
        return err_set(err, ERR_USAGE,
                       "--destination-path PATH is missing; --original-places needs none");
    if (arguments->destination && arguments->original_places)
        return err_set(err, ERR_USAGE,
                       "--destination-path and --original-places exclude each other");
    if (arguments->overwrite && !arguments->original_places)
        return err_set(err, ERR_USAGE, "--overwrite applies to --original-places only");
    if (arguments->new_name && arguments->original_places)
        return err_set(err, ERR_USAGE,
                       "--new-name: a copy cannot take the places of the original; give it a "
                       "--destination-path");
    return 0;
}

static int run_restore(const struct arguments *arguments, struct verb_run *run, struct err *err)
{
    CLEANUP_RESTORE_ANSWERS struct restore_answers answers = {0};
    struct restore_options options = {
        .point = arguments->point,
        .destination = arguments->destination,
        .uri = arguments->uri,
        .domains = lists_borrow(&arguments->domains),
        .exclude_domains = lists_borrow(&arguments->exclude_domains),
        .disks = lists_borrow(&arguments->disks),
        .maps = arguments->maps.maps,
        .map_count = arguments->maps.count,
        .new_name = arguments->new_name,
        .staging_path = arguments->staging_path,
        .children = arguments->children,
        .wait_ms = arguments->wait_ms,
        .hold = arguments->hold,
        .allow_autorun = arguments->allow_autorun,
        .replace = arguments->replace,
        .keep_left_out = arguments->keep_left_out,
        .original_places = arguments->original_places,
        .overwrite = arguments->overwrite,
        .trust_definition = arguments->trust_definition,
        .dry_run = arguments->dry_run,
    };

    if (arguments_place(arguments, arguments->source, "source-path", &options.source, err) < 0 ||
        check_places(arguments, err) < 0)
        return -1;
    options.source.parser = run->parser;
    if (arguments->hold && arguments->source)
        return err_set(err, ERR_USAGE, "--hold applies to --repository only");
    if (may_ask(arguments) &&
        restore_ask(&options, run->spawner, &run->report, &answers, err) < 0) {
        run->outcome.signal = quit_requested();
        return -1;
    }
    return restore_run(&options, run->spawner, &run->report, &run->outcome, err);
}

const struct verb restore_verb = {
    .name = "restore",
    .summary = "bring guests back from their backups",
    .description =
        "Writes the disks of guests into a folder, defines the guests, and resumes them if\n"
        "that is allowed.",
    .done = "restored",
    .relation = "from",
    .options = {.rows = restore_rows, .count = sizeof(restore_rows) / sizeof(*restore_rows)},
    .has_children = true,
    .has_guardian = true,
    .run = run_restore,
};
