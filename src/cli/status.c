/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/status.h"

#include "base/units.h"
#include "cli/verb.h"

#define MAX_AGE_MS (UINT64_C(26) * 3600 * 1000)

static const struct options_row rows[] = {
    ROW_SOURCE,
    ROW_IN_REPOSITORY,
    ROW_SCOPE("only this scope of the repository; default: all"),
    ROW_URI,
    ROW_DOMAINS,
    {"max-age", OPTION_PARSED, "TIME",
     "a guest needs a good point that is no older than this; default: 26h", ARGUMENT(max_age_ms),
     .parse = arguments_parse_time},
    {"nagios", OPTION_FLAG, NULL, "print and exit as a plugin of a monitoring system does",
     ARGUMENT(nagios)},
    {"metrics", OPTION_TEXT, "FILE", "write the state for Prometheus' node_exporter, too",
     ARGUMENT(metrics)},
    ROW_NO_SANDBOX,
    ROW_JSON,
};

static int prepare_status(struct arguments *arguments, struct err *err)
{
    (void)err;
    arguments->max_age_ms = MAX_AGE_MS;
    return 0;
}

static int run_status(const struct arguments *arguments, struct verb_run *run, struct err *err)
{
    struct points_place place = {0};
    struct status_request request = {
        .options = {.places = &place,
                    .place_count = 1,
                    .uri = arguments->uri,
                    .domains = lists_borrow(&arguments->domains),
                    .max_age_ms = arguments->max_age_ms},
        .metrics = arguments->metrics,
        .plugin = arguments->nagios,
    };

    if (arguments_place(arguments, arguments->source, "source-path", &place, err) < 0)
        return -1;
    if (arguments->nagios && arguments->json)
        return err_set(err, ERR_USAGE, "--nagios and --json cannot be combined");
    place.parser = run->parser;
    run->has_exit_status = true;
    return status_run(&request, &run->report, &run->outcome, &run->exit_status, err);
}

const struct verb status_verb = {
    .name = "status",
    .summary = "show which guests have a good backup",
    .description = "Shows of each guest of the host, and of those that have backups, the newest "
                   "good one, when\n"
                   "one was last verified, and what failed last.",
    .options = {.rows = rows, .count = sizeof(rows) / sizeof(*rows)},
    .has_parser = true,
    .prepare = prepare_status,
    .run = run_status,
};
