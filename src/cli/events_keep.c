/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Events about points of a repository.
 */
#include "cli/events_private.h"

#include <string.h>

#include "base/units.h"
#include "base/when.h"

/* ---- what becomes of a point -------------------------------------------------------------------- */

/* "guest 'web': the point of 2026-05-01 03:00:00 +0000 (0198f3a2c4d51b7e)", as far as it is known. */
static void put_point(const struct event *event, const struct event_point *point, struct buf *text)
{
    char when[WHEN_TEXT_SIZE];

    if (event->guest)
        buf_printf(text, "guest '%s': ", event->guest);
    if (point->time)
        buf_printf(text, "the point of %s (%.*s)", when_local(point->time, when), EVENTS_ID_SHOWN,
                   point->id);
    else
        buf_printf(text, "point %.*s", EVENTS_ID_SHOWN, point->id);
}

static void put_point_fields(const struct event *event, const struct event_point *point,
                             struct json *fields)
{
    json_set_str(fields, "guest", event->guest);
    json_set_str(fields, "scope", point->scope);
    json_set_str(fields, "point", point->id);
    if (point->time)
        json_set_str(fields, "time", point->time);
    if (point->tag)
        json_set_str(fields, "tag", point->tag);
}

static void write_point_fields(const struct event *event, struct json *fields)
{
    put_point_fields(event, &event->point, fields);
}

static void write_changed_fields(const struct event *event, struct json *fields)
{
    put_point_fields(event, &event->point, fields);
    json_set_bool(fields, "changed", !event->point.was_so);
}

static void write_held(const struct event *event, struct buf *text)
{
    put_point(event, &event->point, text);
    buf_append_str(text, event->point.was_so ? " is held already" : " is held");
}

static void write_released(const struct event *event, struct buf *text)
{
    put_point(event, &event->point, text);
    buf_append_str(text, event->point.was_so ? " is not held" : " is released");
}

static void write_tagged(const struct event *event, struct buf *text)
{
    put_point(event, &event->point, text);
    buf_printf(text, " %s the tag '%s'", event->point.was_so ? "already has" : "has",
               event->point.tag);
}

static void write_untagged(const struct event *event, struct buf *text)
{
    put_point(event, &event->point, text);
    buf_printf(text, " %s the tag '%s'", event->point.was_so ? "does not have" : "no longer has",
               event->point.tag);
}

static void write_undeleted(const struct event *event, struct buf *text)
{
    put_point(event, &event->point, text);
    buf_append_str(text, event->point.was_so ? " is not in the trash" : " is out of the trash");
}

static void write_set_aside(const struct event *event, struct buf *text)
{
    put_point(event, &event->point, text);
    buf_append_str(text, " is set aside");
    if (event->point.copy)
        buf_printf(text, " as %s", event->point.copy);
    buf_append_str(text, "; the next collection removes what only it used");
}

static void write_set_aside_fields(const struct event *event, struct json *fields)
{
    put_point_fields(event, &event->point, fields);
    json_set_str(fields, "copy", event->point.copy);
}

static void write_pruned_point(const struct event *event, struct buf *text)
{
    put_point(event, &event->point, text);
    buf_append_str(text, " is in the trash");
}

static void write_point_failed(const struct event *event, struct buf *text)
{
    buf_append_str(text, event->point_failed.problem.error);
}

static void write_point_failed_fields(const struct event *event, struct json *fields)
{
    json_set_str(fields, "point", event->point_failed.word);
    events_put_problem(&event->point_failed.problem, fields);
}

/* ---- prune ---------------------------------------------------------------------------------------- */

static const struct {
    const char *word;
    const char *text;
} reasons[] = {
    [RETENTION_BY_OPTION] = {"option", NULL},
    [RETENTION_HELD] = {"held", "it is held"},
    [RETENTION_NEWEST] = {"newest", "it is the newest"},
    [RETENTION_LATEST] = {"latest", "it is the latest"},
    [RETENTION_YOUNG] = {"young", "it is less than an hour old"},
    [RETENTION_IN_PROGRESS] = {"in-progress", "it is part of a backup that has not completed"},
    [RETENTION_UNVERIFIED] = {"unverified", "verify has not found it good"},
    [RETENTION_DROPPED] = {"no-option", "no option keeps it"},
    [RETENTION_COMPLETED] = {"completed", "it is partial, and a newer one is complete"},
    [RETENTION_ABANDONED] = {"abandoned", "it is partial, and 30 days old"},
};

static void write_verdict(const struct event *event, struct buf *text)
{
    const struct event_prune_verdict *verdict = &event->verdict;
    const struct event_point *point = &verdict->point;
    char when[WHEN_TEXT_SIZE];

    if (event->guest)
        buf_printf(text, "guest '%s': ", event->guest);
    buf_printf(text, "%s  %s", verdict->keeps ? "keep" : "drop", when_local(point->time, when));
    if (point->id)
        buf_printf(text, "  %.*s", EVENTS_ID_SHOWN, point->id);
    if (!verdict->option)
        buf_printf(text, "  %s", reasons[verdict->reason].text);
    else if (verdict->period)
        buf_printf(text, "  --%s: %s", verdict->option, verdict->period);
    else
        buf_printf(text, "  --%s", verdict->option);
}

static void write_verdict_fields(const struct event *event, struct json *fields)
{
    const struct event_prune_verdict *verdict = &event->verdict;

    if (verdict->point.id)
        put_point_fields(event, &verdict->point, fields);
    else
        json_set_str(fields, "time", verdict->point.time);
    json_set_bool(fields, "keep", verdict->keeps);
    json_set_str(fields, "reason", reasons[verdict->reason].word);
    if (verdict->option)
        json_set_str(fields, "option", verdict->option);
    if (verdict->period)
        json_set_str(fields, "period", verdict->period);
}

static void write_point_damaged(const struct event *event, struct buf *text)
{
    put_point(event, &event->point_damaged.point, text);
    buf_printf(text, " is kept, because it is damaged: %s", event->point_damaged.why);
}

static void write_point_damaged_fields(const struct event *event, struct json *fields)
{
    put_point_fields(event, &event->point_damaged.point, fields);
    events_put_problem(&(struct event_problem){ERR_CORRUPT, event->point_damaged.why}, fields);
}

static void write_pruned(const struct event *event, struct buf *text)
{
    const struct event_pruned *pruned = &event->pruned;

    buf_printf(text, "guest '%s': %zu point%s %s, %zu kept", event->guest, pruned->dropped,
               pruned->dropped == 1 ? "" : "s", pruned->dry_run ? "would be pruned" : "pruned",
               pruned->kept);
}

static void write_pruned_fields(const struct event *event, struct json *fields)
{
    json_set_str(fields, "guest", event->guest);
    json_set_str(fields, "scope", event->pruned.scope);
    json_set_u64(fields, "pruned", event->pruned.dropped);
    json_set_u64(fields, "kept", event->pruned.kept);
}

static void write_prune_skipped(const struct event *event, struct buf *text)
{
    const char *newest = event->prune_skipped.newest;
    char when[WHEN_TEXT_SIZE];

    if (newest)
        buf_printf(text,
                   "guest '%s': nothing is pruned, because its newest complete point is of %s",
                   event->guest, when_local(newest, when));
    else
        buf_printf(text, "guest '%s': nothing is pruned, because it has no complete point",
                   event->guest);
}

static void write_prune_skipped_fields(const struct event *event, struct json *fields)
{
    json_set_str(fields, "guest", event->guest);
    json_set_str(fields, "scope", event->prune_skipped.scope);
    json_set_str(fields, "newest", event->prune_skipped.newest);
}

static void write_simulated(const struct event *event, struct buf *text)
{
    const struct event_simulated *simulated = &event->simulated;
    char stored[UNITS_TEXT_SIZE];
    char written[UNITS_TEXT_SIZE];

    buf_printf(text, "%zu backup%s, %zu point%s at the end, at most %zu", simulated->backups,
               simulated->backups == 1 ? "" : "s", simulated->kept, simulated->kept == 1 ? "" : "s",
               simulated->most);
    if (simulated->sized)
        buf_printf(text, "; about %s stored at the end, %s written in all",
                   units_format_size(simulated->stored, stored),
                   units_format_size(simulated->written, written));
}

static void write_simulated_fields(const struct event *event, struct json *fields)
{
    const struct event_simulated *simulated = &event->simulated;

    json_set_u64(fields, "backups", simulated->backups);
    json_set_u64(fields, "points", simulated->kept);
    json_set_u64(fields, "most-points", simulated->most);
    if (simulated->sized) {
        json_set_u64(fields, "stored-size", simulated->stored);
        json_set_u64(fields, "written-size", simulated->written);
    }
}

/* ---- repository ------------------------------------------------------------------------------------- */

static void write_made(const struct event *event, struct buf *text)
{
    const struct event_repository_made *made = &event->repository_made;

    buf_printf(text, "repository %s is made, with the id %s", made->url, made->id);
    if (made->lagging)
        buf_printf(
            text,
            "; it is on %s, where a listing may be old: run collect on the server itself, or "
            "mount it with lookupcache=none,noac",
            made->lagging);
    if (!made->creates_once)
        buf_append_str(text,
                       "; it cannot keep two writers from creating one name, so collect needs "
                       "--alone");
}

static void write_made_fields(const struct event *event, struct json *fields)
{
    const struct event_repository_made *made = &event->repository_made;

    json_set_str(fields, "repository", made->url);
    json_set_str(fields, "id", made->id);
    json_set_str(fields, "file-system", made->lagging);
    json_set_bool(fields, "creates-once", made->creates_once);
}

/* ---- their forms ------------------------------------------------------------------------------------ */

const struct event_form events_point_failed = {"point-failed", EVENT_AS_ERROR, write_point_failed,
                                               write_point_failed_fields};
const struct event_form events_point_held = {"point-held", EVENT_AS_RESULT, write_held,
                                             write_changed_fields};
const struct event_form events_point_released = {"point-released", EVENT_AS_RESULT, write_released,
                                                 write_changed_fields};
const struct event_form events_point_tagged = {"point-tagged", EVENT_AS_RESULT, write_tagged,
                                               write_changed_fields};
const struct event_form events_point_untagged = {"point-untagged", EVENT_AS_RESULT, write_untagged,
                                                 write_changed_fields};
const struct event_form events_point_undeleted = {"point-undeleted", EVENT_AS_RESULT,
                                                  write_undeleted, write_changed_fields};
const struct event_form events_point_set_aside = {"point-set-aside", EVENT_AS_RESULT,
                                                  write_set_aside, write_set_aside_fields};
const struct event_form events_prune_verdict = {"prune-plan", EVENT_AS_RESULT, write_verdict,
                                                write_verdict_fields};
const struct event_form events_point_pruned = {"point-pruned", EVENT_AS_RESULT, write_pruned_point,
                                               write_point_fields};
const struct event_form events_point_damaged = {"point-damaged", EVENT_AS_ERROR,
                                                write_point_damaged, write_point_damaged_fields};
const struct event_form events_pruned = {"guest-done", EVENT_AS_RESULT, write_pruned,
                                         write_pruned_fields};
const struct event_form events_prune_skipped = {"guest-skipped", EVENT_AS_RESULT,
                                                write_prune_skipped, write_prune_skipped_fields};
const struct event_form events_simulated = {"simulation", EVENT_AS_RESULT, write_simulated,
                                            write_simulated_fields};
const struct event_form events_repository_made = {"repository-made", EVENT_AS_RESULT, write_made,
                                                  write_made_fields};
