/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/rows.h"
#include "cli/verb.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"

static int parse_verify_level(const char *text, void *ret_level, struct err *err)
{
    static const char *const names[] = {
        [VERIFY_DATA] = "data", [VERIFY_STORED] = "stored", [VERIFY_OBJECTS] = "objects"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(text, names[i]) == 0) {
            *(enum verify_level *)ret_level = (enum verify_level)i;
            return 0;
        }
    return err_set(err, ERR_USAGE, "unknown level '%s'; choose objects, stored or data", text);
}

static int parse_part(const char *text, void *ret_part, struct err *err)
{
    const char *slash = strchr(text, '/');
    CLEANUP_FREE char *number = slash ? mem_strndup(text, (size_t)(slash - text)) : NULL;
    uint64_t part = 0;
    uint64_t parts = 0;

    if (!slash || units_parse_number(slash + 1, 1, ARGUMENTS_PARTS_MAX, &parts, NULL) < 0 ||
        units_parse_number(number, 1, parts, &part, NULL) < 0)
        return err_set(err, ERR_USAGE, "'%s' is not a part such as 1/7; at most %d parts", text,
                       ARGUMENTS_PARTS_MAX);
    *(struct arguments_part *)ret_part = (struct arguments_part){(unsigned)part, (unsigned)parts};
    return 0;
}

static const struct options_row verify_rows[] = {
    ROW_SOURCE,
    ROW_IN_REPOSITORY,
    ROW_SCOPE("only this scope of the repository; default: each in turn"),
    ROW_DOMAINS,
    ROW_EXCLUDE_DOMAINS,
    {"level", OPTION_PARSED, "LEVEL",
     "of a repository: objects are there, stored as written, or data (the default) decoded",
     ARGUMENT(level), .parse = parse_verify_level},
    {"part", OPTION_PARSED, "N/PARTS", "of a repository: only this part of the points",
     ARGUMENT(part), .parse = parse_part},
    {"share", OPTION_PARSED, "N/SHARES",
     "of a repository: only this share of its bytes, what was verified longest ago",
     ARGUMENT(share), .parse = parse_part},
    {"max-age", OPTION_PARSED, "TIME",
     "of a repository: only points not found good within this time", ARGUMENT(max_age_ms),
     .parse = arguments_parse_time},
    {"max-time", OPTION_PARSED, "TIME", "of a repository: begin no point after this time",
     ARGUMENT(max_time_ms), .parse = arguments_parse_time},
    ROW_WAIT,
    ROW_CHILDREN,
    ROW_MEMORY_LIMIT,
    ROW_BANDWIDTH_LIMIT,
    ROW_NICE,
    ROW_CHILD_COMMAND,
    ROW_NO_SANDBOX,
    ROW_QUIET,
    ROW_VERBOSE,
    ROW_JSON,
};

static int run_verify(const struct arguments *arguments, struct verb_run *run, struct err *err)
{
    struct verify_options options = {
        .domains = lists_borrow(&arguments->domains),
        .exclude_domains = lists_borrow(&arguments->exclude_domains),
        .children = arguments->children,
        .wait_ms = arguments->wait_ms,
        .level = arguments->level,
        .part = arguments->part.part,
        .parts = arguments->part.parts,
        .share = arguments->share.part,
        .shares = arguments->share.parts,
        .max_age_ms = arguments->max_age_ms,
        .max_time_ms = arguments->max_time_ms,
    };

    if (arguments_place(arguments, arguments->source, "source-path", &options.source, err) < 0)
        return -1;
    options.source.parser = run->parser;
    if (arguments->source &&
        (arguments->level != VERIFY_DATA || arguments->part.parts || arguments->share.parts ||
         arguments->max_age_ms || arguments->max_time_ms))
        return err_set(
            err, ERR_USAGE,
            "--level, --part, --share, --max-age and --max-time apply to --repository only");
    if (arguments->share.parts && (arguments->part.parts || arguments->level == VERIFY_OBJECTS))
        return err_set(err, ERR_USAGE, "--share cannot be combined with %s",
                       arguments->part.parts ? "--part" : "--level objects, which reads no packs");
    return verify_run(&options, run->spawner, &run->report, &run->outcome, err);
}

const struct verb verify_verb = {
    .name = "verify",
    .summary = "prove that backups are undamaged",
    .description =
        "Reads and decodes everything in the backups and compares it with the digests in their\n"
        "manifests.",
    .done = "verified",
    .relation = "stored in",
    .of_points = true,
    .options = {.rows = verify_rows, .count = sizeof(verify_rows) / sizeof(*verify_rows)},
    .has_children = true,
    .run = run_verify,
};
