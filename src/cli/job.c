/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/verb.h"

#include <string.h>

#include "cli/job_plan.h"
#include "cli/job_report.h"
#include "cli/rows.h"
#include "cli/suggest.h"

struct job_run {
    const struct job_places *places;
    const struct report *report;
    struct outcome *outcome;
};

/* ---- check, list ------------------------------------------------------------------------ */

static void check_one(struct job_run *run, const char *name)
{
    CLEANUP_JOB struct job job = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    if (job_file_load(run->places, name, &(struct options_given){0}, &job, &err) < 0 ||
        job_check_usable(&job, &err) < 0) {
        job_report_failed(run->report, run->outcome, name, &err);
        return;
    }
    run->outcome->good++;
    job_report_old(run->report, &job);
    report_event(run->report, &(struct event){.kind = EVENT_JOB_GOOD,
                                              .job = {.name = job.name, .path = job.path}});
}

static int all_names(struct job_run *run, struct strings *ret, struct err *err)
{
    if (job_file_names(run->places, ret, err) < 0)
        return -1;
    if (ret->count == 0)
        return err_set(err, ERR_NOT_FOUND,
                       "there is no job in %s; virt-backup-job(5) says how to write one",
                       run->places->folder);
    return 0;
}

static int check_jobs(struct job_run *run, const struct strings *words, struct err *err)
{
    CLEANUP_STRINGS struct strings all = {0};

    if (words->count == 1 && all_names(run, &all, err) < 0)
        return -1;
    for (size_t i = 1; i < words->count; i++)
        check_one(run, words->items[i]);
    for (size_t i = 0; i < all.count; i++)
        check_one(run, all.items[i]);
    return 0;
}

static int list_jobs(struct job_run *run, const struct strings *words, struct err *err)
{
    CLEANUP_STRINGS struct strings names = {0};

    if (words->count > 1)
        return err_set(err, ERR_USAGE, "job list takes no names");
    if (all_names(run, &names, err) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++) {
        CLEANUP_FREE char *path = job_file_path(run->places, names.items[i]);
        report_event(run->report, &(struct event){.kind = EVENT_JOB_LISTED,
                                                  .job = {.name = names.items[i], .path = path}});
    }
    return 0;
}

/* ---- show --------------------------------------------------------------------------------- */

static int show_job(struct job_run *run, const struct strings *words, struct err *err)
{
    CLEANUP_JOB struct job job = {0};
    CLEANUP_HOST_GUESTS struct host_guests guests = {0};

    if (words->count != 2)
        return err_set(err, ERR_USAGE, "job show takes one name: job show NAME");
    if (job_file_load(run->places, words->items[1], &(struct options_given){0}, &job, err) < 0 ||
        job_check_usable(&job, err) < 0)
        return -1;
    job_report_old(run->report, &job);
    job_report_settings(run->report, &job);
    const struct job_setting *uri = job_find(&job, "hypervisor-uri");
    if (host_guests_list(uri ? uri->text : NULL, true, &guests, err) < 0)
        return err_prefix(err, "job '%s'", job.name);
    return job_report_guests(run->report, run->outcome, &job, &guests, err);
}

/* ---- the verb --------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int (*run)(struct job_run *run, const struct strings *words, struct err *err);
} actions[] = {{"check", check_jobs}, {"list", list_jobs}, {"show", show_job}};
#define ACTION_COUNT (sizeof(actions) / sizeof(*actions))

static int refuse_action(const char *word, struct err *err)
{
    const char *names[ACTION_COUNT];

    for (size_t i = 0; i < ACTION_COUNT; i++)
        names[i] = actions[i].name;
    const char *nearest = suggest_nearest(word, names, ACTION_COUNT);
    err_set(err, ERR_USAGE, "there is no 'job %s'", word);
    return nearest ? err_append(err, "did you mean 'job %s'?", nearest)
                   : err_append(err, "write: job check [NAME...], job list, or job show NAME");
}

static int run_job(const struct arguments *arguments, struct verb_run *run, struct err *err)
{
    CLEANUP_JOB_PLACES struct job_places places = {0};
    struct job_run jobs = {&places, &run->report, &run->outcome};
    const struct strings *words = &arguments->words;

    job_places_usual(&places);
    for (size_t i = 0; i < ACTION_COUNT; i++)
        if (strcmp(words->items[0], actions[i].name) == 0)
            return actions[i].run(&jobs, words, err);
    return refuse_action(words->items[0], err);
}

static const struct options_row job_words = {NULL,
                                             OPTION_LIST,
                                             "ACTION [NAME...]",
                                             "check [NAME...], list, or show NAME",
                                             ARGUMENT(words),
                                             .required = true};

static const struct options_row job_verb_rows[] = {ROW_QUIET, ROW_VERBOSE, ROW_JSON};

const struct verb job_verb = {
    .name = "job",
    .summary = "check and show jobs: what is saved, where to, and for how long",
    .description = "Reads the files of jobs, which run carries out. check names the first mistake "
                   "of each\n"
                   "file, show what a job comes to for each guest of this host.",
    .options = {.rows = job_verb_rows,
                .count = sizeof(job_verb_rows) / sizeof(*job_verb_rows),
                .words = &job_words},
    .run = run_job,
};
