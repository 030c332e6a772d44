/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/verb.h"

static const struct options_row rows[] = {
    ROW_SOURCE,          ROW_IN_REPOSITORY, ROW_IN_SCOPE,      ROW_DOMAINS,
    ROW_EXCLUDE_DOMAINS, ROW_WAIT,          ROW_CHILDREN,      ROW_MEMORY_LIMIT,
    ROW_BANDWIDTH_LIMIT, ROW_NICE,          ROW_CHILD_COMMAND, ROW_NO_SANDBOX,
    ROW_QUIET,           ROW_VERBOSE,       ROW_JSON,
};

static int run_verify(const struct arguments *arguments, struct verb_run *run, struct err *err)
{
    struct verify_options options = {
        .domains = lists_borrow(&arguments->domains),
        .exclude_domains = lists_borrow(&arguments->exclude_domains),
        .children = arguments->children,
        .wait_ms = arguments->wait_ms,
    };

    if (arguments_place(arguments, arguments->source, "source-path", &options.source, err) < 0)
        return -1;
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
    .options = {.rows = rows, .count = sizeof(rows) / sizeof(*rows)},
    .has_children = true,
    .run = run_verify,
};
