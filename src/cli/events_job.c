/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Events of a job: what its steps have done, as the job sees it.
 */
#include "cli/events_private.h"

#include "base/units.h"
#include "base/when.h"

/* With more failures than this, the line about the whole job names only the first. */
#define FAILURES_SHOWN 3

/* ---- the start, and what goes wrong beside the guests ------------------------------------------ */

static void write_job_delayed(const struct event *event, struct buf *text)
{
    char when[WHEN_TEXT_SIZE];

    buf_printf(text, "job '%s': starts at %s, put off by its stagger", event->job_delayed.job,
               when_local(event->job_delayed.until, when));
}

static void write_job_delayed_fields(const struct event *event, struct json *fields)
{
    json_set_str(fields, "job", event->job_delayed.job);
    json_set_str(fields, "until", event->job_delayed.until);
}

static const char *trouble_text(enum event_job_trouble_what what)
{
    static const char *const texts[] = {
        [JOB_TROUBLE_LOCK] = "nothing keeps another run of the job from starting, too: ",
        [JOB_TROUBLE_RESULT] =
            "the backups go on, but virt-backup status will not know how they ended: ",
        [JOB_TROUBLE_METRICS] = "the metrics are not up to date: ",
        [JOB_TROUBLE_HOOK] = "",
    };

    return texts[what];
}

/* A warning about a guest does not name it. */
static void put_job_trouble(const struct event *event, struct buf *text)
{
    const struct event_job_trouble *trouble = &event->job_trouble;

    if (!event->guest)
        buf_printf(text, "job '%s': ", trouble->job);
    buf_printf(text, "%s%s", trouble_text(trouble->what), trouble->problem.error);
}

static void write_job_trouble(const struct event *event, struct buf *text)
{
    if (event->guest)
        buf_printf(text, "guest '%s': ", event->guest);
    put_job_trouble(event, text);
}

static void write_job_trouble_fields(const struct event *event, struct json *fields)
{
    struct buf text = {0};

    put_job_trouble(event, &text);
    CLEANUP_FREE char *warning = buf_take_str(&text);
    json_set_str(fields, "guest", event->guest);
    json_set_str(fields, "warning", warning);
}

/* ---- guests -------------------------------------------------------------------------------------- */

static void write_job_backed_up(const struct event *event, struct buf *text)
{
    const struct event_job_backed_up *backed_up = &event->job_backed_up;
    char read[UNITS_TEXT_SIZE];
    char stored[UNITS_TEXT_SIZE];
    char time[UNITS_TEXT_SIZE];

    buf_printf(text, "guest '%s': backed up", event->guest);
    if (event->point_id)
        buf_printf(text, " as point %.*s", EVENTS_ID_SHOWN, event->point_id);
    buf_printf(text, ": %s read, %s stored, %s", units_format_size(backed_up->read, read),
               units_format_size(backed_up->stored, stored),
               units_format_seconds(backed_up->elapsed_ms / 1000, time));
}

static void write_job_backed_up_fields(const struct event *event, struct json *fields)
{
    const struct event_job_backed_up *backed_up = &event->job_backed_up;

    events_put_named_point(event, fields);
    json_set_u64(fields, "read-size", backed_up->read);
    json_set_u64(fields, "disk-usage", backed_up->stored);
    json_set_u64(fields, "elapsed-ms", backed_up->elapsed_ms);
}

static void write_job_problem(const struct event *event, struct buf *text)
{
    buf_append_str(text, event->problem.error);
}

static void write_job_problem_fields(const struct event *event, struct json *fields)
{
    json_set_str(fields, "guest", event->guest);
    events_put_problem(&event->problem, fields);
}

static void write_job_left(const struct event *event, struct buf *text)
{
    buf_printf(text,
               "guest '%s': not begun, because the time of not-after has passed; the next run "
               "begins with it",
               event->guest);
}

static void write_job_not_pruned(const struct event *event, struct buf *text)
{
    buf_printf(text, "guest '%s': keeps all its points, because it has no new one", event->guest);
}

static void write_job_guest_field(const struct event *event, struct json *fields)
{
    json_set_str(fields, "guest", event->guest);
}

/* ---- the other steps ------------------------------------------------------------------------------- */

static void put_job_step(const struct event *event, struct buf *text)
{
    if (event->guest)
        buf_printf(text, "guest '%s': %s", event->guest, event->job_step.verb);
    else
        buf_printf(text, "job '%s': %s", event->job_step.job, event->job_step.verb);
}

static void put_job_step_fields(const struct event *event, struct json *fields)
{
    json_set_str(fields, "job", event->job_step.job);
    json_set_str(fields, "guest", event->guest);
    json_set_str(fields, "verb", event->job_step.verb);
}

static void write_job_step_done(const struct event *event, struct buf *text)
{
    char time[UNITS_TEXT_SIZE];

    put_job_step(event, text);
    buf_printf(text, " done, %s", units_format_seconds(event->job_step.elapsed_ms / 1000, time));
}

static void write_job_step_done_fields(const struct event *event, struct json *fields)
{
    put_job_step_fields(event, fields);
    json_set_u64(fields, "elapsed-ms", event->job_step.elapsed_ms);
}

static void write_job_step_failed(const struct event *event, struct buf *text)
{
    put_job_step(event, text);
    buf_printf(text, ": %s", event->job_step.problem.error);
}

static void write_job_step_failed_fields(const struct event *event, struct json *fields)
{
    put_job_step_fields(event, fields);
    events_put_problem(&event->job_step.problem, fields);
}

static void write_job_step_left(const struct event *event, struct buf *text)
{
    put_job_step(event, text);
    buf_append_str(text, " is left for the next run");
}

/* ---- the whole ------------------------------------------------------------------------------------- */

static void put_job_failures(const struct event_job_done *done, struct buf *text)
{
    size_t shown = done->failure_count <= FAILURES_SHOWN ? done->failure_count : 1;

    if (done->failure_count == 0)
        return;
    buf_printf(text, ", %zu failed (", done->failure_count);
    for (size_t i = 0; i < shown; i++)
        buf_printf(text, "%s%s: %s", i ? "; " : "", done->failures[i].guest,
                   done->failures[i].reason);
    if (shown < done->failure_count)
        buf_printf(text, "; and %zu others", done->failure_count - shown);
    buf_append_str(text, ")");
}

/* "job 'nightly': 19 of 20 guests backed up, 1 failed (db: the disk is full), 3.2 GiB stored, 12:40" */
static void write_job_done(const struct event *event, struct buf *text)
{
    const struct event_job_done *done = &event->job_done;
    char stored[UNITS_TEXT_SIZE];
    char time[UNITS_TEXT_SIZE];

    buf_printf(text, "job '%s': %zu of %zu guest%s backed up", done->job, done->good, done->count,
               done->count == 1 ? "" : "s");
    put_job_failures(done, text);
    if (done->left)
        buf_printf(text, ", %zu left for the next run", done->left);
    if (done->not_tried)
        buf_printf(text, ", %zu not tried", done->not_tried);
    for (size_t i = 0; i < done->failed_step_count; i++)
        buf_printf(text, ", %s failed", done->failed_steps[i]);
    buf_printf(text, ", %s stored, %s", units_format_size(done->stored, stored),
               units_format_seconds(done->elapsed_ms / 1000, time));
}

static void write_job_done_fields(const struct event *event, struct json *fields)
{
    const struct event_job_done *done = &event->job_done;
    struct json *failures = json_new_array();
    struct json *steps = json_new_array();

    for (size_t i = 0; i < done->failure_count; i++) {
        struct json *entry = json_new_object();
        json_set_str(entry, "guest", done->failures[i].guest);
        json_set_str(entry, "error", done->failures[i].reason);
        json_add(failures, entry);
    }
    for (size_t i = 0; i < done->failed_step_count; i++)
        json_add_str(steps, done->failed_steps[i]);
    json_set_str(fields, "job", done->job);
    json_set_u64(fields, "guests", done->count);
    json_set_u64(fields, "good", done->good);
    json_set_u64(fields, "left", done->left);
    json_set_u64(fields, "not-tried", done->not_tried);
    json_set(fields, "failures", failures);
    json_set(fields, "failed-steps", steps);
    json_set_u64(fields, "disk-usage", done->stored);
    json_set_u64(fields, "elapsed-ms", done->elapsed_ms);
}

const struct event_form events_job_delayed = {"job-delayed", EVENT_AS_RESULT, write_job_delayed,
                                              write_job_delayed_fields};
const struct event_form events_job_trouble = {"warning", EVENT_AS_WARNING, write_job_trouble,
                                              write_job_trouble_fields};
const struct event_form events_job_backed_up = {"guest-done", EVENT_AS_RESULT, write_job_backed_up,
                                                write_job_backed_up_fields};
const struct event_form events_job_told_failed = {"guest-failed", EVENT_AS_DETAIL,
                                                  write_job_problem, write_job_problem_fields};
const struct event_form events_job_guest_left = {"guest-left", EVENT_AS_WARNING, write_job_left,
                                                 write_job_guest_field};
const struct event_form events_job_not_pruned = {"guest-not-pruned", EVENT_AS_RESULT,
                                                 write_job_not_pruned, write_job_guest_field};
const struct event_form events_job_step_done = {"step-done", EVENT_AS_RESULT, write_job_step_done,
                                                write_job_step_done_fields};
const struct event_form events_job_step_failed = {
    "step-failed", EVENT_AS_ERROR, write_job_step_failed, write_job_step_failed_fields};
const struct event_form events_job_step_told_failed = {
    "step-failed", EVENT_AS_DETAIL, write_job_step_failed, write_job_step_failed_fields};
const struct event_form events_job_step_left = {"step-left", EVENT_AS_WARNING, write_job_step_left,
                                                put_job_step_fields};
const struct event_form events_job_done = {"job-done", EVENT_AS_RESULT, write_job_done,
                                           write_job_done_fields};
