/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/rows.h"
#include "cli/verb.h"

#include <time.h>

#include "cli/job_plan.h"
#include "cli/job_report.h"
#include "cli/job_table.h"
#include "ops/job/job.h"

/* Its guests, and what is done for each. */
static int plan_one(const struct job_planning *planning, struct job_plan *plan, struct err *err)
{
    CLEANUP_HOST_GUESTS struct host_guests guests = {0};
    struct job_planning whole = *planning;
    const struct job_setting *uri = job_find(planning->job, "hypervisor-uri");

    if (host_guests_list(uri ? uri->text : NULL, true, &guests, err) < 0)
        return err_prefix(err, "job '%s'", planning->job->name);
    whole.guests = &guests;
    job_report_unused(planning->report, planning->job, &guests);
    return job_plan_make(&whole, plan, err);
}

/* Of one job; its guests' own failures are in the outcome. begun_s: when the night began, in which it
 * may be the second one, so that its window is that of this night. */
static int run_one(const struct job_places *places, const char *name, int64_t begun_s,
                   const struct arguments *arguments, struct verb_run *run, struct err *err)
{
    CLEANUP_JOB struct job job = {0};
    CLEANUP_JOB_PLAN struct job_plan plan = {0};
    struct outcome unmatched = {0};
    const struct job_planning planning = {&job, NULL, begun_s, &run->report, &unmatched};

    if (job_file_load(places, name, &arguments->given, &job, err) < 0)
        return -1;
    if (job_check_usable(&job, err) < 0)
        return -1;
    job_report_old(&run->report, &job);
    if (plan_one(&planning, &plan, err) < 0) {
        if (err->kind != ERR_CANCELLED) {
            job_plan_whole(&planning, &plan);
            job_run_refused(&plan, &run->report, err);
        }
        return -1;
    }
    return job_run(&plan, &run->report, &run->outcome, err);
}

static int run_jobs(const struct arguments *arguments, struct verb_run *run, struct err *err)
{
    CLEANUP_JOB_PLACES struct job_places places = {0};
    int64_t begun_s = (int64_t)time(NULL);

    job_places_usual(&places);
    for (size_t i = 0; i < arguments->words.count; i++) {
        const char *name = arguments->words.items[i];
        CLEANUP_ERR struct err job_err = ERR_INIT;
        if (run_one(&places, name, begun_s, arguments, run, &job_err) == 0)
            continue;
        if (job_err.kind == ERR_CANCELLED)
            return err_move(err, &job_err);
        job_report_failed(&run->report, &run->outcome, name, &job_err);
    }
    return 0;
}

static const struct options_row run_words = {NULL,
                                             OPTION_LIST,
                                             "NAME...",
                                             "the jobs, or the paths of their files",
                                             ARGUMENT(words),
                                             .required = true};

const struct verb run_verb = {
    .name = "run",
    .summary = "do a night's work: back up, prune, collect, verify, as a job says",
    .description =
        "Carries out jobs: each guest is backed up by itself, then points that nothing keeps are\n"
        "dropped and removed, and a share of the repository is verified. An option takes the\n"
        "place of the key of its name in the file.",
    .options = {.rows = job_rows,
                .count = JOB_ROW_COUNT,
                .words = &run_words,
                .notes_given = true,
                .given = offsetof(struct arguments, given)},
    .run = run_jobs,
};
