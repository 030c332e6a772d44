/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Events of the verb collect.
 */
#include "cli/events_private.h"

#include <inttypes.h>

#include "base/units.h"
#include "base/when.h"

/* ---- points and sessions -------------------------------------------------------------------------- */

static void put_collect_point(const struct event *event, const char *what, struct buf *text)
{
    const struct event_collect_point *point = &event->collect_point;

    buf_printf(text, "scope '%s': %s %.*s of guest %s", point->point.scope, what, EVENTS_ID_SHOWN,
               point->point.id, point->guest_uuid);
}

static void put_since(const struct event *event, const char *before, struct buf *text)
{
    char when[WHEN_TEXT_SIZE];

    if (event->collect_point.since)
        buf_printf(text, "%s%s", before, when_local(event->collect_point.since, when));
}

static void write_collect_point_fields(const struct event *event, struct json *fields)
{
    const struct event_collect_point *point = &event->collect_point;

    json_set_str(fields, "scope", point->point.scope);
    json_set_str(fields, "uuid", point->guest_uuid);
    json_set_str(fields, "point", point->point.id);
    if (point->since)
        json_set_str(fields, "since", point->since);
}

static void write_spared(const struct event *event, struct buf *text)
{
    put_collect_point(event, "point", text);
    buf_append_str(text, event->collect_point.held ? " is held" : " stays in the trash");
    put_since(event, ", where it has been since ", text);
}

static void write_spared_fields(const struct event *event, struct json *fields)
{
    write_collect_point_fields(event, fields);
    json_set_bool(fields, "held", event->collect_point.held);
}

static void write_taken(const struct event *event, struct buf *text)
{
    put_collect_point(event, "point", text);
    buf_append_str(text, " is about to be removed");
}

static void write_collected_point(const struct event *event, struct buf *text)
{
    put_collect_point(event, "point", text);
    buf_append_str(text, " is removed");
}

static void write_stuck(const struct event *event, struct buf *text)
{
    put_collect_point(event, "point", text);
    buf_printf(text, " could not be removed, and stays with all that it needs: %s",
               event->collect_point.why);
}

static void write_stuck_fields(const struct event *event, struct json *fields)
{
    write_collect_point_fields(event, fields);
    json_set_str(fields, "error", event->collect_point.why);
}

static void write_waited(const struct event *event, struct buf *text)
{
    put_collect_point(event, "session", text);
    buf_append_str(text, " has not ended");
    put_since(event, "; it was there at ", text);
}

static void write_fenced(const struct event *event, struct buf *text)
{
    put_collect_point(event, "session", text);
    buf_append_str(text, " was taken for dead, because it was silent for too long; if it is still "
                         "at work, its backup fails");
}

/* ---- the collection ------------------------------------------------------------------------------- */

static void write_collection(const struct event *event, struct buf *text)
{
    const struct event_collection *collection = &event->collection;
    char when[WHEN_TEXT_SIZE];

    buf_printf(text, "scope '%s': ", collection->scope);
    switch (collection->what) {
    case COLLECTION_RESUMED:
        buf_printf(text, "goes on with the collection of %s", when_local(collection->since, when));
        break;
    case COLLECTION_ANEW:
        buf_printf(text, "the collection starts over: %s", collection->why);
        break;
    case COLLECTION_RESERVE_USED:
        buf_append_str(text, "the store is full; the collection uses its reserve");
        break;
    }
}

static void write_collection_fields(const struct event *event, struct json *fields)
{
    static const char *const words[] = {[COLLECTION_RESUMED] = "resumed",
                                        [COLLECTION_ANEW] = "restarted",
                                        [COLLECTION_RESERVE_USED] = "reserve-used"};
    const struct event_collection *collection = &event->collection;

    json_set_str(fields, "scope", collection->scope);
    json_set_str(fields, "what", words[collection->what]);
    if (collection->since)
        json_set_str(fields, "since", collection->since);
    if (collection->why)
        json_set_str(fields, "reason", collection->why);
}

static void put_removed(const struct event_collected *collected, struct buf *text)
{
    const char *verb = collected->dry_run ? "could be removed" : "removed";
    char size[UNITS_TEXT_SIZE];

    buf_printf(text, "%" PRIu64, collected->points_removed);
    if (collected->points)
        buf_printf(text, " of %" PRIu64, collected->points);
    buf_printf(text, " points and %" PRIu64, collected->packs_removed);
    if (collected->packs)
        buf_printf(text, " of %" PRIu64, collected->packs);
    buf_printf(text, " packs %s, %s", verb, units_format_size(collected->bytes_removed, size));
}

static void write_collected(const struct event *event, struct buf *text)
{
    const struct event_collected *collected = &event->collected;

    buf_printf(text, "scope '%s': ", collected->scope);
    switch (collected->end) {
    case COLLECT_END_DONE:
        put_removed(collected, text);
        break;
    case COLLECT_END_UNFINISHED:
        buf_printf(text,
                   "waits for %" PRIu64 " session%s before anything is removed; run collect again "
                   "later, or with --wait",
                   collected->waiting, collected->waiting == 1 ? "" : "s");
        break;
    case COLLECT_END_STOPPED:
        buf_append_str(text, "another collection has removed points; the next run starts over");
        break;
    }
}

static void write_collected_fields(const struct event *event, struct json *fields)
{
    static const char *const words[] = {[COLLECT_END_DONE] = "done",
                                        [COLLECT_END_UNFINISHED] = "unfinished",
                                        [COLLECT_END_STOPPED] = "stopped"};
    const struct event_collected *collected = &event->collected;

    json_set_str(fields, "scope", collected->scope);
    json_set_str(fields, "outcome", words[collected->end]);
    if (collected->points)
        json_set_u64(fields, "points", collected->points);
    json_set_u64(fields, "points-removed", collected->points_removed);
    if (collected->packs)
        json_set_u64(fields, "packs", collected->packs);
    json_set_u64(fields, "packs-removed", collected->packs_removed);
    json_set_u64(fields, "bytes-removed", collected->bytes_removed);
    json_set_u64(fields, "sessions-waited", collected->waiting);
    json_set_u64(fields, "sessions-fenced", collected->fenced);
}

/* The error names the scope. */
static void write_scope_failed(const struct event *event, struct buf *text)
{
    buf_append_str(text, event->scope_failed.problem.error);
}

static void write_scope_failed_fields(const struct event *event, struct json *fields)
{
    json_set_str(fields, "scope", event->scope_failed.scope);
    events_put_problem(&event->scope_failed.problem, fields);
}

/* ---- their forms ------------------------------------------------------------------------------------ */

const struct event_form events_collection = {"collection", EVENT_AS_RESULT, write_collection,
                                             write_collection_fields};
const struct event_form events_point_spared = {"point-spared", EVENT_AS_DETAIL, write_spared,
                                               write_spared_fields};
const struct event_form events_point_taken = {"point-taken", EVENT_AS_DETAIL, write_taken,
                                              write_collect_point_fields};
const struct event_form events_point_collected = {
    "point-removed", EVENT_AS_RESULT, write_collected_point, write_collect_point_fields};
const struct event_form events_point_stuck = {"point-stuck", EVENT_AS_WARNING, write_stuck,
                                              write_stuck_fields};
const struct event_form events_session_waited = {"session-waited", EVENT_AS_RESULT, write_waited,
                                                 write_collect_point_fields};
const struct event_form events_session_fenced = {"session-fenced", EVENT_AS_WARNING, write_fenced,
                                                 write_collect_point_fields};
const struct event_form events_collected = {"collected", EVENT_AS_RESULT, write_collected,
                                            write_collected_fields};
const struct event_form events_scope_failed = {"scope-failed", EVENT_AS_ERROR, write_scope_failed,
                                               write_scope_failed_fields};
