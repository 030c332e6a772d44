/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Events about jobs.
 */
#include "cli/events_private.h"

#define NAME_COLUMN 20
#define SETTING_COLUMN 44

static void put_name_fields(const struct event *event, struct json *fields)
{
    json_set_str(fields, "job", event->job.name);
    json_set_str(fields, "file", event->job.path);
}

static void write_job_failed(const struct event *event, struct buf *text)
{
    buf_append_str(text, event->job.problem.error);
}

static void write_job_failed_fields(const struct event *event, struct json *fields)
{
    json_set_str(fields, "job", event->job.name);
    events_put_problem(&event->job.problem, fields);
}

const struct event_form events_job_failed = {"job-failed", EVENT_AS_ERROR, write_job_failed,
                                             write_job_failed_fields};

static void write_old(const struct event *event, struct buf *text)
{
    buf_printf(text,
               "job '%s': %s is an environment file of earlier versions; to move it, see MOVING in "
               "virt-backup-job(5)",
               event->job.name, event->job.path);
}

const struct event_form events_job_old = {"job-old", EVENT_AS_WARNING, write_old, put_name_fields};

static void write_unused(const struct event *event, struct buf *text)
{
    buf_printf(text, "job '%s': line %u: [guest %s] matches no guest of this host", event->job.name,
               event->job.line, event->job.section);
}

static void write_unused_fields(const struct event *event, struct json *fields)
{
    put_name_fields(event, fields);
    json_set_str(fields, "section", event->job.section);
    json_set_u64(fields, "line", event->job.line);
}

const struct event_form events_job_unused = {"job-section-unused", EVENT_AS_WARNING, write_unused,
                                             write_unused_fields};

static void write_job_listed(const struct event *event, struct buf *text)
{
    buf_printf(text, "%-*s %s", NAME_COLUMN, event->job.name, event->job.path);
}

const struct event_form events_job_listed = {"job", EVENT_AS_RESULT, write_job_listed,
                                             put_name_fields};

static void write_good(const struct event *event, struct buf *text)
{
    buf_printf(text, "job '%s': %s is good", event->job.name, event->job.path);
}

const struct event_form events_job_good = {"job-good", EVENT_AS_RESULT, write_good,
                                           put_name_fields};

/* ---- settings ----------------------------------------------------------------------- */

static void put_job_setting(const struct event_setting *setting, struct buf *text)
{
    CLEANUP_FREE char *left =
        mem_printf("  %s = %s", setting->key, setting->value ? setting->value : "yes");

    buf_printf(text, "\n%-*s ", SETTING_COLUMN, left);
    if (setting->line == 0)
        buf_append_str(text, "command line");
    else
        buf_printf(text, "line %u", setting->line);
    if (setting->section)
        buf_printf(text, ", [guest %s]", setting->section);
}

static void put_job_settings(const struct event_job *job, struct buf *text)
{
    for (size_t i = 0; i < job->setting_count; i++)
        put_job_setting(&job->settings[i], text);
}

static void put_setting_fields(const struct event_job *job, struct json *fields)
{
    struct json *settings = json_new_array();

    for (size_t i = 0; i < job->setting_count; i++) {
        const struct event_setting *setting = &job->settings[i];
        struct json *object = json_new_object();
        json_set_str(object, "key", setting->key);
        json_set_str(object, "value", setting->value ? setting->value : "yes");
        if (setting->line)
            json_set_u64(object, "line", setting->line);
        if (setting->section)
            json_set_str(object, "section", setting->section);
        json_add(settings, object);
    }
    json_set(fields, "settings", settings);
}

static void write_job_shown(const struct event *event, struct buf *text)
{
    buf_printf(text, "job '%s': %s", event->job.name, event->job.path);
    put_job_settings(&event->job, text);
}

static void write_job_shown_fields(const struct event *event, struct json *fields)
{
    put_name_fields(event, fields);
    put_setting_fields(&event->job, fields);
}

const struct event_form events_job_shown = {"job-shown", EVENT_AS_RESULT, write_job_shown,
                                            write_job_shown_fields};

static void write_job_guest(const struct event *event, struct buf *text)
{
    buf_printf(text, "guest '%s'", event->guest);
    if (event->job.left_out)
        buf_printf(text, ": left out (%s)", event->job.left_out);
    put_job_settings(&event->job, text);
}

static void write_job_guest_fields(const struct event *event, struct json *fields)
{
    json_set_str(fields, "job", event->job.name);
    json_set_str(fields, "guest", event->guest);
    if (event->job.left_out)
        json_set_str(fields, "left-out", event->job.left_out);
    else
        put_setting_fields(&event->job, fields);
}

const struct event_form events_job_guest = {"job-guest", EVENT_AS_RESULT, write_job_guest,
                                            write_job_guest_fields};
