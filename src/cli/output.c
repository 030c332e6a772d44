/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/output.h"

#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "base/out.h"
#include "base/terminal.h"
#include "base/units.h"
#include "base/utf8.h"
#include "base/when.h"
#include "cli/events.h"

#define LINE_INTERVAL_MS 5000
#define OBJECT_INTERVAL_MS 1000

/* Escapes what must not reach a terminal; JSON allows that for any character. Characters below
 * U+0020 are already escaped, and there are none beyond U+FFFF. */
static char *output_safe_json(const char *text)
{
    struct buf safe = {0};

    while (*text) {
        uint32_t code = 0;
        size_t len = utf8_decode(text, &code);
        if (len == 0 || terminal_shows(text))
            buf_append(&safe, text, len ? len : 1);
        else
            buf_printf(&safe, "\\u%04x", (unsigned)code);
        text += len ? len : 1;
    }
    return buf_take_str(&safe);
}

/* Takes ownership of fields. The event's name comes first, where people and programs that read line
 * by line look for it. The caller frees. */
static char *object_line(const struct output *output, const char *event, struct json *fields)
{
    CLEANUP(json_freep) struct json *owned = fields;
    CLEANUP_FREE char *raw = json_format(owned);
    CLEANUP_FREE char *text = output_safe_json(raw);

    char when[WHEN_TEXT_SIZE];
    CLEANUP_FREE char *head =
        output->run_id ? mem_printf(",\"run\":\"%s\",\"at\":\"%s\"", output->run_id, when_now(when))
                       : mem_strdup("");
    return mem_printf("{\"event\":\"%s\"%s%s%s\n", event, head, text[1] == '}' ? "" : ",",
                      text + 1);
}

static void put_object(const struct output *output, const char *event, struct json *fields)
{
    CLEANUP_FREE char *line = object_line(output, event, fields);

    out_write(OUT_RESULTS, line);
}

static void put_text(const char *text)
{
    CLEANUP_FREE char *safe = terminal_safe(text);
    size_t len = strlen(safe);
    CLEANUP_FREE char *line =
        mem_printf("%s%s", safe, len == 0 || safe[len - 1] != '\n' ? "\n" : "");

    log_progress("");
    out_write(OUT_RESULTS, line);
}

static void on_event(void *opaque, const struct event *event)
{
    struct output *output = opaque;
    const struct event_form *form = events_form(event->kind);
    CLEANUP_FREE char *text = events_text(event);

    switch (form->shown) {
    case EVENT_AS_WARNING:
        log_warning(text);
        break;
    case EVENT_AS_ERROR:
        log_error(text);
        break;
    case EVENT_AS_DETAIL:
        log_detail("%s", text);
        break;
    case EVENT_AS_RESULT:
        if (!output->json && !output->quiet)
            put_text(text);
        break;
    }
    if (output->json)
        put_object(output, form->name, events_fields(event));
}

/* What is done of the current image is no longer that of a current one. */
static void leave_image(struct output *output)
{
    output->moved += output->done;
    output->done = output->image = 0;
}

static void on_position(void *opaque, const struct report_position *position)
{
    struct output *output = opaque;

    leave_image(output);
    output->before = 0;
    if (output->run_begun == 0)
        output->run_begun = units_now_ms();
    output->position = *position;
}

/* When the next image begins, the previous one is added to what is done. */
static void follow_image(struct output *output, const char *former_subject,
                         const struct progress *progress)
{
    if (former_subject && strcmp(former_subject, output->meter.subject) != 0) {
        output->before += output->image;
        leave_image(output);
    }
    output->image = progress->total;
    output->done = progress->done;
}

static uint64_t guest_done(const struct output *output)
{
    return output->before + output->done;
}

static uint64_t run_done(const struct output *output)
{
    return output->position.before + guest_done(output);
}

static bool run_left(const struct output *output, uint64_t *ret_seconds)
{
    const struct report_position *position = &output->position;
    uint64_t done = run_done(output);

    return position->total > done &&
           meter_left(output->moved + output->done, position->total - done,
                      units_now_ms() - output->run_begun, ret_seconds);
}

/* "; all 40% of 120 GiB, 1:20 left", for a run with more than this image. */
static char *rest_of_run(const struct output *output)
{
    uint64_t done = run_done(output);
    uint64_t total = output->position.total;
    uint64_t seconds = 0;
    struct buf text = {0};
    char size[UNITS_TEXT_SIZE];

    if (total <= output->image || done > total)
        return mem_strdup("");
    buf_printf(&text, "; all %u%% of %s", (unsigned)((double)done * 100 / (double)total),
               units_format_size(total, size));
    if (run_left(output, &seconds))
        buf_printf(&text, ", %s left", units_format_seconds(seconds, size));
    return buf_take_str(&text);
}

static void put_progress_object(const struct output *output, const struct progress *progress)
{
    struct json *fields = json_new_object();
    uint64_t seconds = 0;

    json_set_str(fields, "guest", progress->guest);
    json_set_str(fields, "what", progress->what);
    json_set_u64(fields, "done", progress->done);
    json_set_u64(fields, "total", progress->total);
    json_set_u64(fields, "stored", progress->stored);
    json_set_u64(fields, "elapsed-ms", progress->elapsed_ms);
    if (output->position.count) {
        json_set_u64(fields, "number", output->position.number);
        json_set_u64(fields, "count", output->position.count);
    }
    if (output->position.volume) {
        json_set_u64(fields, "guest-done", guest_done(output));
        json_set_u64(fields, "guest-total", output->position.volume);
    }
    if (output->position.total) {
        json_set_u64(fields, "run-done", run_done(output));
        json_set_u64(fields, "run-total", output->position.total);
    }
    if (run_left(output, &seconds))
        json_set_u64(fields, "left-ms", seconds * 1000);
    CLEANUP_FREE char *line = object_line(output, "progress", fields);
    out_offer(OUT_RESULTS, line);
}

/* The caller frees. */
static char *progress_line(const struct output *output, char *image)
{
    CLEANUP_FREE char *owned = image;
    CLEANUP_FREE char *rest = rest_of_run(output);
    CLEANUP_FREE char *place =
        output->position.count > 1
            ? mem_printf("guest %u of %u: ", output->position.number, output->position.count)
            : mem_strdup("");

    return mem_printf("%s%s%s", place, owned, rest);
}

/* True if nothing had to be cut off. */
static bool put_fitting(const char *line, bool anyway)
{
    CLEANUP_FREE char *safe = terminal_safe(line);
    size_t len = strlen(safe);

    terminal_cut(safe, terminal_columns());
    if (strlen(safe) < len && !anyway)
        return false;
    log_progress(safe);
    return true;
}

static void put_progress_line(const struct output *output, const struct progress *progress,
                              bool terminal)
{
    CLEANUP_FREE char *line = progress_line(output, meter_line(&output->meter, progress));
    CLEANUP_FREE char *brief = progress_line(output, meter_short_line(&output->meter, progress));

    if (!terminal)
        log_passing(line);
    else if (!put_fitting(line, false))
        put_fitting(brief, true);
}

/* The journal keeps what it gets, so it gets no progress in any form. */
static bool output_shows_progress(const struct output *output)
{
    return !output->quiet && !log_is_journal(output->json ? STDOUT_FILENO : STDERR_FILENO);
}

static void on_progress(void *opaque, const struct progress *progress)
{
    struct output *output = opaque;
    bool terminal = !output->json && out_is_terminal(OUT_MESSAGES);
    uint64_t interval_ms = terminal ? 0 : output->json ? OBJECT_INTERVAL_MS : LINE_INTERVAL_MS;
    uint64_t now_ms = units_now_ms();

    if (!output_shows_progress(output))
        return;
    CLEANUP_FREE char *former = mem_strdup(output->meter.subject);
    meter_update(&output->meter, progress);
    follow_image(output, former, progress);
    if (output->shown_ms == 0) /* small disks are done before a line is due */
        output->shown_ms = now_ms;
    if (now_ms - output->shown_ms < interval_ms)
        return;
    output->shown_ms = now_ms;
    if (output->json)
        put_progress_object(output, progress);
    else
        put_progress_line(output, progress, terminal);
}

/* A warning of the layers that do not know the report. */
static void on_warning(void *opaque, const char *guest, const char *text)
{
    struct json *fields = json_new_object();

    json_set_str(fields, "guest", guest);
    json_set_str(fields, "warning", text);
    put_object(opaque, "warning", fields);
}

struct report output_report(struct output *output)
{
    if (output->json)
        log_set_listener(on_warning, output);
    return (struct report){
        .opaque = output,
        .event = on_event,
        .progress = on_progress,
        .position = on_position,
        .shows_progress = output_shows_progress(output),
    };
}

void output_error(struct output *output, const struct err *err)
{
    log_error(err->text);
    if (!output->json)
        return;
    struct json *fields = json_new_object();
    json_set_str(fields, "kind", err_kind_name(err->kind));
    json_set_str(fields, "error", err->text);
    put_object(output, "error", fields);
}

static void put_summary_object(const struct output *output, const struct output_summary *summary)
{
    const struct outcome *outcome = &summary->outcome;
    struct json *fields = json_new_object();

    json_set_str(fields, "verb", summary->verb);
    json_set_u64(fields, "good", outcome->good);
    json_set_u64(fields, "failed", outcome->failed);
    json_set_bool(fields, "damaged", outcome->damaged);
    json_set_bool(fields, "stranded", outcome->stranded);
    json_set_u64(fields, "signal", (uint64_t)outcome->signal);
    json_set_u64(fields, "status", (uint64_t)summary->status);
    if (outcome->sizes.image)
        events_put_sizes(&outcome->sizes, fields);
    json_set_u64(fields, "elapsed-ms", summary->elapsed_ms);
    put_object(output, "summary", fields);
}

void output_finish(struct output *output, const struct output_summary *summary)
{
    const struct outcome *outcome = &summary->outcome;

    log_progress("");
    if (output->json) {
        put_summary_object(output, summary);
        return;
    }
    if (output->quiet || !summary->done || outcome->good + outcome->failed == 0)
        return;
    CLEANUP_FREE char *failed =
        outcome->failed ? mem_printf(", %u failed", outcome->failed) : mem_strdup("");
    char raw[UNITS_TEXT_SIZE];
    char usage[UNITS_TEXT_SIZE];
    char time[UNITS_TEXT_SIZE];
    CLEANUP_FREE char *bytes =
        outcome->sizes.image
            ? mem_printf("%s %s %s, ", units_format_size(outcome->sizes.image, raw),
                         summary->relation, units_format_size(outcome->sizes.usage, usage))
            : mem_strdup("");
    CLEANUP_FREE char *line = mem_printf(
        "%u %s%s %s%s: %s%s", outcome->good, summary->one, outcome->good == 1 ? "" : "s",
        summary->done, failed, bytes, units_format_seconds(summary->elapsed_ms / 1000, time));
    put_text(line);
}

void output_text(const char *text)
{
    out_write(OUT_RESULTS, text);
}

int output_flush(struct err *err)
{
    int failed = out_failure();

    return failed ? err_set_errno(err, failed, "cannot write to standard output") : 0;
}

void output_clear(struct output *output)
{
    meter_clear(&output->meter);
    log_set_listener(NULL, NULL);
}
