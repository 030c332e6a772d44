/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/status_jobs.h"

#include <string.h>
#include <sys/stat.h>

#include "cli/job_plan.h"
#include "cli/job_report.h"

void status_jobs_clear(struct status_jobs *jobs)
{
    free(jobs->places);
    strings_clear(&jobs->place_texts);
    strings_clear(&jobs->uris);
    strings_clear(&jobs->guests);
    strings_clear(&jobs->names);
    *jobs = (struct status_jobs){0};
}

/* ---- places --------------------------------------------------------------------------------- */

static bool is_same_folder(const char *a, const char *b)
{
    struct stat first, second;

    return strcmp(a, b) == 0 || (stat(a, &first) == 0 && stat(b, &second) == 0 &&
                                 first.st_dev == second.st_dev && first.st_ino == second.st_ino);
}

/* A place that was there twice would have its points counted twice. */
static bool is_same_place_of_jobs(const struct points_place *a, const struct points_place *b)
{
    return a->is_repository == b->is_repository &&
           (!a->is_repository || strcmp(a->scope, b->scope) == 0) &&
           is_same_folder(a->path, b->path);
}

static const char *keep_place_text(struct status_jobs *jobs, const char *text)
{
    strings_add(&jobs->place_texts, text);
    return jobs->place_texts.items[jobs->place_texts.count - 1];
}

static void add_place_of_job(const struct job *job, struct status_jobs *jobs)
{
    const struct job_setting *repository = job_find(job, "repository");
    const struct job_setting *scope = job_find(job, "scope");
    const struct job_setting *folder = job_find(job, "destination-path");
    /* To status, no scope means all of them; to a job, this one. */
    struct points_place place = {.path = repository ? repository->text : folder->text,
                                 .is_repository = repository != NULL,
                                 .scope = !repository ? NULL
                                          : scope     ? scope->text
                                                      : "default"};

    for (size_t i = 0; i < jobs->place_count; i++)
        if (is_same_place_of_jobs(&jobs->places[i], &place))
            return;
    place.path = keep_place_text(jobs, place.path);
    place.scope = place.scope ? keep_place_text(jobs, place.scope) : NULL;
    jobs->places = mem_resize(jobs->places, jobs->place_count + 1, sizeof(*jobs->places));
    jobs->places[jobs->place_count++] = place;
}

/* ---- guests --------------------------------------------------------------------------------- */

int status_jobs_add(const struct job *job, const struct host_guests *guests,
                    const struct status_jobs_request *request, struct status_jobs *jobs,
                    struct err *err)
{
    CLEANUP_FREE bool *chosen = mem_array(guests->count + 1, sizeof(*chosen));

    if (job_choose(job, guests, request->report, request->outcome, chosen, err) < 0)
        return err_prefix(err, "job '%s'", job->name);
    for (size_t i = 0; i < guests->count; i++)
        if (chosen[i] && !strings_has(&jobs->guests, guests->uuids.items[i]))
            strings_add(&jobs->guests, guests->uuids.items[i]);
    add_place_of_job(job, jobs);
    return 0;
}

/* The guests of each hypervisor, which is asked once. */
struct hosts {
    struct host_guests *all; /* as the URIs are */
    size_t count;
};

static void clear_hosts(struct hosts *hosts)
{
    for (size_t i = 0; i < hosts->count; i++)
        host_guests_clear(&hosts->all[i]);
    free(hosts->all);
}

static bool is_same_uri(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static int ask_host(const char *uri, struct hosts *hosts, struct status_jobs *jobs,
                    const struct host_guests **ret, struct err *err)
{
    size_t i = 0;

    while (i < hosts->count && !is_same_uri(jobs->uris.items[i], uri))
        i++;
    if (i == hosts->count) {
        hosts->all = mem_resize(hosts->all, i + 1, sizeof(*hosts->all));
        if (host_guests_list(uri, true, &hosts->all[i], err) < 0)
            return -1;
        hosts->count++;
        strings_take(&jobs->uris, mem_strdup(uri));
    }
    *ret = &hosts->all[i];
    return 0;
}

/* ---- jobs ----------------------------------------------------------------------------------- */

static int add_named_job(const struct status_jobs_request *request, const char *word,
                         struct hosts *hosts, struct status_jobs *jobs, struct err *err)
{
    CLEANUP_JOB struct job job = {0};
    CLEANUP_ERR struct err why = ERR_INIT;
    const struct host_guests *guests = NULL;

    if (job_file_load(request->places, word, request->given, &job, err) < 0)
        return -1;
    job_report_old(request->report, &job);
    strings_add(&jobs->names, job.name);
    const struct job_setting *uri = job_find(&job, "hypervisor-uri");
    if (ask_host(uri ? uri->text : NULL, hosts, jobs, &guests, err) < 0)
        return err_prefix(err, "job '%s'", job.name);
    if (status_jobs_add(&job, guests, request, jobs, &why) == 0)
        return 0;
    if (why.kind != ERR_NOT_FOUND)
        return err_move(err, &why);
    /* It says nothing about the guests of other jobs. */
    job_report_failed(request->report, request->outcome, job.name, &why);
    return 0;
}

static int all_words(const struct job_places *places, struct strings *ret, struct err *err)
{
    if (job_file_names(places, ret, err) < 0)
        return -1;
    if (ret->count == 0)
        return err_set(err, ERR_USAGE,
                       "there is no job in %s; give --repository URL or --source-path PATH, or "
                       "write a job: see virt-backup-job(5)",
                       places->folder);
    return 0;
}

int status_jobs_read(const struct status_jobs_request *request, struct status_jobs *ret,
                     struct err *err)
{
    CLEANUP_STATUS_JOBS struct status_jobs jobs = {0};
    CLEANUP(clear_hosts) struct hosts hosts = {0};
    CLEANUP_STRINGS struct strings all = {0};
    const struct strings *words = request->words->count ? request->words : &all;

    if (words == &all && all_words(request->places, &all, err) < 0)
        return -1;
    for (size_t i = 0; i < words->count; i++)
        if (add_named_job(request, words->items[i], &hosts, &jobs, err) < 0)
            return -1;
    if (jobs.guests.count == 0)
        return err_set(err, ERR_NOT_FOUND, "none of these jobs chooses a guest");
    *ret = jobs;
    jobs = (struct status_jobs){0};
    return 0;
}
