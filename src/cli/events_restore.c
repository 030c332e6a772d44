/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/events_private.h"

#include "base/units.h"
#include "ops/extras.h"

/* ---- the plan, for people ------------------------------------------------------------------ */

/* The stored file, and what it would replace. */
static void put_source(const struct event_item *item, struct buf *text)
{
    char image[UNITS_TEXT_SIZE];
    char usage[UNITS_TEXT_SIZE];

    buf_printf(text, ", %s", units_format_size(item->sizes.image, image));
    if (item->file)
        buf_printf(text, " from %s, which takes %s", item->file,
                   units_format_size(item->sizes.usage, usage));
    if (item->replaces)
        buf_append_str(text, ", replaces the file there");
}

static void write_restore_plan(const struct event *event, struct buf *text)
{
    const struct event_restore_plan *plan = &event->restore_plan;
    const struct event_children *children = &plan->children;
    char size[2][UNITS_TEXT_SIZE];

    buf_printf(text, "guest '%s'", plan->backup_of);
    if (event->point_id)
        buf_printf(text, ", point %.*s", EVENTS_ID_SHOWN, event->point_id);
    buf_printf(text, ": would be restored%s%s: %s from %s", plan->renamed ? " as " : "",
               plan->renamed ? event->guest : "", units_format_size(plan->sizes.image, size[0]),
               units_format_size(plan->sizes.usage, size[1]));
    for (size_t i = 0; i < plan->disks.count; i++) {
        const struct event_item *disk = &plan->disks.all[i];
        buf_printf(text, "\n  %s: %s, %s", disk->target, disk->path, disk->format);
        put_source(disk, text);
        if (disk->shared)
            buf_append_str(text, ", shared with another guest");
    }
    for (size_t i = 0; i < plan->extras.count; i++) {
        const struct event_item *extra = &plan->extras.all[i];
        buf_printf(text, "\n  %s: %s", extras_kind_text(extra->extra), extra->path);
        put_source(extra, text);
    }
    if (plan->memory) {
        buf_printf(text, "\n  memory: %s", plan->memory->path);
        put_source(plan->memory, text);
    }
    for (size_t i = 0; i < plan->left_out_count; i++) {
        const struct event_left_out *disk = &plan->left_out[i];
        buf_printf(text, "\n  %s: not in the backup, %s%s", disk->target,
                   disk->path ? "is " : "left out", disk->path ? disk->path : "");
    }
    if (plan->findings->count)
        buf_append_str(text, "\n  its definition reaches beyond the guest's own files:");
    for (size_t i = 0; i < plan->findings->count; i++)
        buf_printf(text, "\n    %s", plan->findings->all[i].text);
    buf_printf(text, "\n  memory per child %s, children used %u: %s together",
               units_format_size(children->child_memory, size[0]), children->used,
               units_format_size(children->child_memory * children->used, size[1]));
}

/* ---- the plan, for programs ------------------------------------------------------------------ */

static void put_source_fields(const struct event_item *item, struct json *object)
{
    json_set_str(object, "file", item->file);
    events_put_sizes(&item->sizes, object);
    json_set_bool(object, "replaces", item->replaces);
}

static void put_placed_disk(const struct event_item *disk, struct json *object)
{
    json_set_bool(object, "shared", disk->shared);
    put_source_fields(disk, object);
}

static struct json *restore_plan_left_out(const struct event_restore_plan *plan)
{
    struct json *array = json_new_array();

    for (size_t i = 0; i < plan->left_out_count; i++) {
        struct json *entry = json_new_object();
        json_set_str(entry, "target", plan->left_out[i].target);
        json_set_str(entry, "path", plan->left_out[i].path);
        json_add(array, entry);
    }
    return array;
}

static void write_restore_plan_fields(const struct event *event, struct json *fields)
{
    const struct event_restore_plan *plan = &event->restore_plan;
    const struct event_children *children = &plan->children;

    events_put_named_point(event, fields);
    json_set_str(fields, "backup-of", plan->backup_of);
    json_set_str(fields, "source", plan->source);
    if (plan->destination)
        json_set_str(fields, "destination", plan->destination);
    json_set_bool(fields, "defined", plan->defined);
    events_put_sizes(&plan->sizes, fields);
    json_set(fields, "disks", events_disks(&plan->disks, put_placed_disk));
    json_set(fields, "extras", events_extras(&plan->extras, put_source_fields));
    if (plan->memory) {
        struct json *memory = json_new_object();
        json_set_str(memory, "path", plan->memory->path);
        put_source_fields(plan->memory, memory);
        json_set(fields, "memory", memory);
    }
    json_set(fields, "left-out", restore_plan_left_out(plan));
    json_set(fields, "findings", events_findings(plan->findings));
    json_set_u64(fields, "memory-per-child", children->child_memory);
    json_set_u64(fields, "children", children->used);
    json_set_u64(fields, "children-memory", children->child_memory * children->used);
}

const struct event_form events_restore_plan = {"plan", EVENT_AS_RESULT, write_restore_plan,
                                               write_restore_plan_fields};

/* ---- what is done ------------------------------------------------------------------------------ */

static void write_disk_restored(const struct event *event, struct buf *text)
{
    const struct event_item *disk = &event->disk_restored;
    char size[UNITS_TEXT_SIZE];

    buf_printf(text, "guest '%s': %s: %s restored as %s (%s)", event->guest, disk->target,
               units_format_size(disk->sizes.image, size), disk->path, disk->format);
}

static void write_disk_fields(const struct event *event, struct json *fields)
{
    const struct event_item *disk = &event->disk_restored;

    json_set_str(fields, "guest", event->guest);
    json_set_str(fields, "disk", disk->target);
    json_set_str(fields, "path", disk->path);
    json_set_str(fields, "format", disk->format);
    json_set_str(fields, "file", disk->file);
    events_put_sizes(&disk->sizes, fields);
}

const struct event_form events_disk_restored = {"disk-done", EVENT_AS_RESULT, write_disk_restored,
                                                write_disk_fields};

static void write_restored(const struct event *event, struct buf *text)
{
    const struct event_restored *restored = &event->restored;
    const struct event_done *done = &restored->done;
    char image[UNITS_TEXT_SIZE];
    char usage[UNITS_TEXT_SIZE];
    char time[UNITS_TEXT_SIZE];

    buf_printf(text, "guest '%s': restored", event->guest);
    if (event->point_id)
        buf_printf(text, " from point %.*s", EVENTS_ID_SHOWN, event->point_id);
    buf_append_str(text, ", ");
    events_put_disks(done, text);
    buf_printf(text, ": %s from %s, %s", units_format_size(done->sizes.image, image),
               units_format_size(done->sizes.usage, usage),
               units_format_seconds(done->elapsed_ms / 1000, time));
    if (!restored->state)
        buf_append_str(text, "; no guest is defined");
    else if (restored->started)
        buf_printf(text, ", now %s", restored->state);
    else if (restored->start_with)
        buf_printf(text, "; it is %s; to resume it, run: %s", restored->state,
                   restored->start_with);
    else
        buf_printf(text, ", %s", restored->state);
}

static void write_restored_fields(const struct event *event, struct json *fields)
{
    const struct event_restored *restored = &event->restored;

    events_put_named_point(event, fields);
    events_put_done(&restored->done, fields);
    if (restored->state)
        json_set_str(fields, "state", restored->state);
    if (restored->start_with)
        json_set_str(fields, "start-with", restored->start_with);
}

const struct event_form events_restored = {"guest-done", EVENT_AS_RESULT, write_restored,
                                           write_restored_fields};
