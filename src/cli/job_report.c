/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/job_report.h"

#include "cli/job_plan.h"
#include "cli/job_table.h"
#include "cli/lists.h"

void job_report_failed(const struct report *report, struct outcome *outcome, const char *name,
                       const struct err *err)
{
    outcome->failed++;
    outcome->busy += err->kind == ERR_BUSY;
    report_event(report, &(struct event){.kind = EVENT_JOB_FAILED,
                                         .job = {.name = name, .problem = {err->kind, err->text}}});
}

void job_report_old(const struct report *report, const struct job *job)
{
    if (job->old)
        report_event(report, &(struct event){.kind = EVENT_JOB_OLD,
                                             .job = {.name = job->name, .path = job->path}});
}

void job_report_unused(const struct report *report, const struct job *job,
                       const struct host_guests *guests)
{
    CLEANUP_FREE bool *meant = mem_array(guests->count + 1, sizeof(*meant));

    for (size_t i = 0; i < job->section_count; i++) {
        const struct job_section *section = &job->sections[i];
        if (!host_guests_mark(guests, section->guests, meant))
            report_event(report, &(struct event){.kind = EVENT_JOB_UNUSED,
                                                 .job = {.name = job->name,
                                                         .path = job->path,
                                                         .section = section->guests,
                                                         .line = section->line}});
    }
}

/* ---- settings ------------------------------------------------------------------------- */

struct shown {
    struct event_setting *settings; /* owned */
    size_t count;
};

static void add_shown(const struct job *job, const struct job_meant *meant, struct shown *shown)
{
    for (size_t i = 0; i < meant->count; i++) {
        const struct job_setting *setting = meant->settings[i];
        shown->settings = mem_resize(shown->settings, shown->count + 1, sizeof(*shown->settings));
        shown->settings[shown->count++] = (struct event_setting){
            .key = setting->row->name,
            .value = setting->text,
            .line = setting->line,
            .section = setting->section ? job->sections[setting->section - 1].guests : NULL,
        };
    }
}

/* in_section: as in job_meant; a guest is shown with what can be said of guests. */
static void report_shown(const struct report *report, const struct job *job, const bool *in_section,
                         struct event *event)
{
    struct shown shown = {0};

    for (size_t i = 0; i < job_keys.count; i++) {
        const struct options_row *row = &job_keys.rows[i];
        bool of_guests = job_key_of(row)->place == JOB_GUESTS;
        CLEANUP_JOB_MEANT struct job_meant meant = {0};
        if (in_section ? job_key_of(row)->place == JOB_WHOLE : of_guests)
            continue;
        job_meant(job, row, in_section, &meant);
        add_shown(job, &meant, &shown);
    }
    event->job.settings = shown.settings;
    event->job.setting_count = shown.count;
    report_event(report, event);
    free(shown.settings);
}

void job_report_settings(const struct report *report, const struct job *job)
{
    report_shown(
        report, job, NULL,
        &(struct event){.kind = EVENT_JOB_SHOWN, .job = {.name = job->name, .path = job->path}});
}

static bool is_excluded(const struct job *job, const struct host_guests *guests, size_t guest)
{
    CLEANUP_JOB_MEANT struct job_meant meant = {0};
    CLEANUP_STRINGS struct strings words = {0};
    CLEANUP_FREE bool *excluded = mem_array(guests->count + 1, sizeof(*excluded));

    job_meant(job, options_find(&job_keys, "exclude-domains"), NULL, &meant);
    for (size_t i = 0; i < meant.count; i++)
        lists_add_names(&words, meant.settings[i]->text, NULL);
    for (size_t i = 0; i < words.count; i++)
        host_guests_mark(guests, words.items[i], excluded);
    return excluded[guest];
}

int job_report_guests(const struct report *report, struct outcome *outcome, const struct job *job,
                      const struct host_guests *guests, struct err *err)
{
    CLEANUP_FREE bool *chosen = mem_array(guests->count + 1, sizeof(*chosen));
    CLEANUP_FREE bool *in_section = job_sections_of(job, guests);

    if (job_choose(job, guests, report, outcome, chosen, err) < 0)
        return -1;
    for (size_t i = 0; i < guests->count; i++) {
        struct event event = {.kind = EVENT_JOB_GUEST,
                              .guest = guests->names.items[i],
                              .job = {.name = job->name, .path = job->path}};
        if (chosen[i]) {
            report_shown(report, job, in_section + i * job->section_count, &event);
            continue;
        }
        event.job.left_out = is_excluded(job, guests, i)
                                 ? "exclude-domains"
                                 : "not chosen by domain-names, domain-titles or domain-tags";
        report_event(report, &event);
    }
    job_report_unused(report, job, guests);
    outcome->good++;
    return 0;
}
