/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The list of the points of guests: for people a table.
 */
#include "cli/events_private.h"

#include "base/units.h"
#include "base/when.h"

/* What is to be known of it beside the columns. */
static void put_remarks(const struct points_entry *entry, struct buf *text)
{
    const struct {
        bool is_so;
        const char *text;
    } remarks[] = {
        {!entry->complete, "partial"}, {entry->derived, "derived"},
        {entry->damaged, "DAMAGED"},   {entry->verified && !entry->damaged, "verified"},
        {entry->held, "held"},         {entry->trashed, "in trash"},
    };

    for (size_t i = 0; i < sizeof(remarks) / sizeof(*remarks); i++)
        if (remarks[i].is_so)
            buf_printf(text, "  %s", remarks[i].text);
    for (size_t i = 0; i < entry->tags.count; i++)
        buf_printf(text, "  #%s", entry->tags.items[i]);
}

static void put_hold(const struct event_listed_point *listed, struct buf *text)
{
    const struct points_entry *entry = listed->entry;
    char utc[WHEN_TEXT_SIZE], when[WHEN_TEXT_SIZE];

    if (!listed->with_hold || !entry->held)
        return;
    if (entry->held_by)
        buf_printf(text, "\n  held by %s since %s: %s", entry->held_by,
                   when_local(when_utc(entry->held_ms, utc), when), entry->held_why);
    else
        buf_append_str(text, "\n  held; what the hold says cannot be read");
}

static void write_listed_point(const struct event *event, struct buf *text)
{
    const struct points_entry *entry = event->listed_point.entry;
    char utc[WHEN_TEXT_SIZE], when[WHEN_TEXT_SIZE];
    char size[UNITS_TEXT_SIZE], stored[UNITS_TEXT_SIZE];

    if (event->listed_point.first && event->listed_point.with_scope)
        buf_printf(text, "%-10s ", "SCOPE");
    if (event->listed_point.first)
        buf_printf(text, "%-20s %-10s %-25s %-8s %-16s %5s %10s %10s\n", "GUEST", "POINT", "TIME",
                   "STATE", "CONSISTENCY", "DISKS", "SIZE", "NEW");
    if (event->listed_point.with_scope)
        buf_printf(text, "%-10s ", event->listed_point.scope);
    buf_printf(text, "%-20s %-10.*s ", event->guest, (int)entry->id_digits, entry->id);
    if (entry->problem) {
        buf_printf(text, "UNREADABLE: %s", entry->problem);
        put_hold(&event->listed_point, text);
        return;
    }
    buf_printf(
        text, "%-25s %-8s %-16s %5zu %10s %10s", when_local(when_utc(entry->time_ms, utc), when),
        entry->complete ? manifest_state_name(entry->state) : "-",
        entry->complete ? manifest_consistency_name(entry->consistency) : "-", entry->disk_count,
        units_format_size(entry->size, size), units_format_size(entry->stored, stored));
    put_remarks(entry, text);
    put_hold(&event->listed_point, text);
}

static void put_hold_fields(const struct points_entry *entry, struct json *fields)
{
    char utc[WHEN_TEXT_SIZE];

    json_set_bool(fields, "held", entry->held);
    if (!entry->held_by)
        return;
    struct json *hold = json_new_object();
    json_set_str(hold, "by", entry->held_by);
    json_set_str(hold, "since", when_utc(entry->held_ms, utc));
    json_set_str(hold, "reason", entry->held_why);
    json_set(fields, "hold", hold);
}

static void write_listed_point_fields(const struct event *event, struct json *fields)
{
    const struct points_entry *entry = event->listed_point.entry;
    char utc[WHEN_TEXT_SIZE];

    json_set_str(fields, "guest", event->guest);
    json_set_str(fields, "scope", event->listed_point.scope);
    json_set_str(fields, "point", entry->id);
    if (entry->problem) {
        json_set_str(fields, "error", entry->problem);
        json_set_bool(fields, "in-trash", entry->trashed);
        put_hold_fields(entry, fields);
        return;
    }
    struct json *tags = json_new_array();
    for (size_t i = 0; i < entry->tags.count; i++)
        json_add_str(tags, entry->tags.items[i]);
    json_set_str(fields, "time", when_utc(entry->time_ms, utc));
    json_set_str(fields, "host", entry->host);
    if (entry->complete) {
        json_set_str(fields, "state", manifest_state_name(entry->state));
        json_set_str(fields, "method", events_method(entry->consistency));
        json_set_str(fields, "consistency", events_consistency(entry->consistency));
    }
    json_set_u64(fields, "disks", entry->disk_count);
    json_set_bool(fields, "memory", entry->memory);
    json_set_u64(fields, "image-size", entry->size);
    json_set_u64(fields, "new-size", entry->stored);
    json_set_bool(fields, "complete", entry->complete);
    json_set_bool(fields, "derived", entry->derived);
    json_set_bool(fields, "verified", entry->verified);
    json_set_bool(fields, "damaged", entry->damaged);
    put_hold_fields(entry, fields);
    json_set_bool(fields, "in-trash", entry->trashed);
    json_set(fields, "tags", tags);
}

const struct event_form events_listed_point = {"point", EVENT_AS_RESULT, write_listed_point,
                                               write_listed_point_fields};

/* ---- a pack that several points need ------------------------------------------------------------ */

#define NEEDING_SHOWN 20u

static void write_damaged_pack(const struct event *event, struct buf *text)
{
    const struct event_damaged_pack *pack = &event->damaged_pack;
    size_t count = pack->points->count;

    buf_printf(text, "%s is lost or damaged; needed by", pack->pack);
    for (size_t i = 0; i < count && i < NEEDING_SHOWN; i++)
        buf_printf(text, "%s %s@%.*s", i ? "," : "", pack->guests->items[i], EVENTS_ID_SHOWN,
                   pack->points->items[i]);
    if (count > NEEDING_SHOWN)
        buf_printf(text, " and %zu more points", count - NEEDING_SHOWN);
    buf_append_str(text,
                   "; the next backup of each guest stores again what the guest still has of it");
}

static void write_damaged_pack_fields(const struct event *event, struct json *fields)
{
    const struct event_damaged_pack *pack = &event->damaged_pack;
    struct json *points = json_new_array();

    for (size_t i = 0; i < pack->points->count; i++) {
        struct json *point = json_new_object();
        json_set_str(point, "guest", pack->guests->items[i]);
        json_set_str(point, "point", pack->points->items[i]);
        json_add(points, point);
    }
    json_set_str(fields, "scope", pack->scope);
    json_set_str(fields, "pack", pack->pack);
    json_set(fields, "points", points);
}

const struct event_form events_damaged_pack = {"damaged-pack", EVENT_AS_ERROR, write_damaged_pack,
                                               write_damaged_pack_fields};
