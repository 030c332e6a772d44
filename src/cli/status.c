/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/status.h"

#include "base/units.h"
#include "cli/rows.h"
#include "cli/status_jobs.h"
#include "cli/verb.h"

#define MAX_AGE_MS (UINT64_C(26) * 3600 * 1000)

static const struct options_row status_rows[] = {
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
    {"metrics-job", OPTION_LIST, "JOBS", "only results of these jobs are in that file",
     ARGUMENT(metrics_jobs)},
    ROW_NO_SANDBOX,
    ROW_JSON,
};

static int prepare_status(struct arguments *arguments, struct err *err)
{
    (void)err;
    arguments->max_age_ms = MAX_AGE_MS;
    return 0;
}

/* One place of backups, and one host. */
static int look_at_one_place(const struct arguments *arguments, struct points_place *place,
                             struct status_options *options, struct err *err)
{
    if (arguments->words.count > 0)
        return err_set(err, ERR_USAGE, "a job says where its backups are: leave out --%s, or '%s'",
                       arguments->repository ? "repository" : "source-path",
                       arguments->words.items[0]);
    if (arguments_place(arguments, arguments->source, "source-path", place, err) < 0)
        return -1;
    options->places = place;
    options->place_count = 1;
    options->new_ok = arguments->metrics_jobs.count > 0;
    options->uris = &arguments->uri;
    options->uri_count = 1;
    options->domains = lists_borrow(&arguments->domains);
    return 0;
}

static int look_at_places_of_jobs(const struct arguments *arguments, struct verb_run *run,
                                  struct status_jobs *jobs, struct status_options *options,
                                  struct err *err)
{
    CLEANUP_JOB_PLACES struct job_places places = {0};
    const struct status_jobs_request request = {.places = &places,
                                                .words = &arguments->words,
                                                .given = &arguments->given,
                                                .report = &run->report,
                                                .outcome = &run->outcome};

    if (arguments->scope)
        return err_set(err, ERR_USAGE, "--scope applies to --repository only");
    job_places_usual(&places);
    if (status_jobs_read(&request, jobs, err) < 0)
        return -1;
    for (size_t i = 0; i < jobs->place_count; i++)
        jobs->places[i].parser = run->parser;
    options->places = jobs->places;
    options->place_count = jobs->place_count;
    options->new_ok = true;
    options->uris = (const char *const *)jobs->uris.items;
    options->uri_count = jobs->uris.count;
    options->domains = lists_borrow(&jobs->guests);
    if (arguments->metrics_jobs.count == 0 && arguments->words.count > 0)
        options->jobs = lists_borrow(&jobs->names);
    return 0;
}

static int run_status(const struct arguments *arguments, struct verb_run *run, struct err *err)
{
    CLEANUP_STATUS_JOBS struct status_jobs jobs = {0};
    CLEANUP_ERR struct err why = ERR_INIT;
    struct points_place place = {0};
    struct status_request request = {
        .options = {.max_age_ms = arguments->max_age_ms,
                    .jobs = lists_borrow(&arguments->metrics_jobs)},
        .metrics = arguments->metrics,
        .plugin = arguments->nagios,
    };
    bool has_place = arguments->source || arguments->repository;

    if (arguments->nagios && arguments->json)
        return err_set(err, ERR_USAGE, "--nagios and --json cannot be combined");
    if (has_place && look_at_one_place(arguments, &place, &request.options, err) < 0)
        return -1;
    place.parser = run->parser;
    run->has_exit_status = true;
    if (!has_place && look_at_places_of_jobs(arguments, run, &jobs, &request.options, &why) < 0) {
        if (!arguments->nagios || why.kind == ERR_CANCELLED)
            return err_move(err, &why);
        run->exit_status = status_tell_unknown(&run->report, &why);
        return 0;
    }
    return status_run(&request, &run->report, &run->outcome, &run->exit_status, err);
}

static const struct options_row status_words = {
    NULL, OPTION_LIST, "JOB...",
    "jobs whose guests are shown, or the paths of their files; default: all", ARGUMENT(words)};

const struct verb status_verb = {
    .name = "status",
    .summary = "show which guests have a good backup",
    .description =
        "Shows of each guest of the host, and of those that have backups, the newest "
        "good one, when\n"
        "one was last verified, and what failed last. Without a repository or folder: of "
        "the guests\n"
        "that jobs choose, in the places that they write to.",
    .options = {.rows = status_rows,
                .count = sizeof(status_rows) / sizeof(*status_rows),
                .words = &status_words,
                .notes_given = true,
                .given = offsetof(struct arguments, given)},
    .has_parser = true,
    .prepare = prepare_status,
    .run = run_status,
};
