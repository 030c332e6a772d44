/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/events_private.h"

#include <inttypes.h>

#include "base/units.h"
#include "ops/extras.h"

/* ---- words ------------------------------------------------------------------------------ */

const char *events_method(enum manifest_consistency consistency)
{
    static const char *const words[] = {
        [CONSISTENCY_LIVE] = "live",  [CONSISTENCY_PAUSE] = "pause",
        [CONSISTENCY_SAVE] = "save",  [CONSISTENCY_FROZEN] = "none",
        [CONSISTENCY_CRASH] = "none", [CONSISTENCY_OFFLINE] = "offline",
    };

    return words[consistency];
}

const char *events_consistency(enum manifest_consistency consistency)
{
    static const char *const words[] = {
        [CONSISTENCY_LIVE] = "memory", [CONSISTENCY_PAUSE] = "memory",
        [CONSISTENCY_SAVE] = "memory", [CONSISTENCY_FROZEN] = "frozen",
        [CONSISTENCY_CRASH] = "crash", [CONSISTENCY_OFFLINE] = "shut-off",
    };

    return words[consistency];
}

static const char *mode_text(enum capture_mode mode)
{
    static const char *const texts[] = {
        [CAPTURE_OFFLINE] = "none; the guest is shut off",
        [CAPTURE_SAVE] = "save; the guest is down while its disks are read",
        [CAPTURE_PAUSE] = "pause; the guest is stopped while its memory is copied",
        [CAPTURE_LIVE] = "live; the guest is stopped for a moment",
        [CAPTURE_DISKS] = "none; the disks are read while the guest runs",
    };

    return texts[mode];
}

static const char *mode_word(enum capture_mode mode)
{
    static const char *const words[] = {
        [CAPTURE_OFFLINE] = "offline", [CAPTURE_SAVE] = "save",  [CAPTURE_PAUSE] = "pause",
        [CAPTURE_LIVE] = "live",       [CAPTURE_DISKS] = "none",
    };

    return words[mode];
}

/* ---- the plan ----------------------------------------------------------------------------- */

/* In a repository it has none. */
static void put_file(const struct event_item *item, struct buf *text)
{
    if (item->file)
        buf_printf(text, " -> %s", item->file);
}

static void write_backup_plan(const struct event *event, struct buf *text)
{
    const struct event_backup_plan *plan = &event->backup_plan;
    const struct event_children *children = &plan->children;
    char size[3][UNITS_TEXT_SIZE];

    buf_printf(text, "guest '%s' (%s): %zu disk%s, %s, to %s", event->guest, plan->state,
               plan->disks.count, plan->disks.count == 1 ? "" : "s",
               units_format_size(plan->image_size, size[0]), plan->destination);
    if (plan->has_live)
        buf_printf(text, "; memory: %s", mode_text(plan->mode));
    for (size_t i = 0; i < plan->disks.count; i++) {
        const struct event_item *disk = &plan->disks.all[i];
        buf_printf(text, "\n  %s: %s, %s, %s", disk->target, disk->path, disk->format,
                   units_format_size(disk->sizes.image, size[0]));
        put_file(disk, text);
    }
    if (plan->memory) {
        buf_printf(text, "\n  memory: %s%s", plan->memory_at_most ? "at most " : "",
                   units_format_size(plan->memory->sizes.image, size[0]));
        put_file(plan->memory, text);
    }
    for (size_t i = 0; i < plan->extras.count; i++) {
        const struct event_item *extra = &plan->extras.all[i];
        buf_printf(text, "\n  %s: %s", extras_kind_text(extra->extra), extra->path);
        put_file(extra, text);
    }
    for (size_t i = 0; i < plan->left_out_count; i++)
        buf_printf(text, "\n  %s: left out (%s)", plan->left_out[i].target,
                   plan->left_out[i].reason);
    buf_printf(text,
               "\n  compression %s, chunk size %s, memory per child %s, children allowed by memory "
               "%" PRIu64 ", children used %u: %s together",
               plan->compression, units_format_size(plan->chunk_size, size[0]),
               units_format_size(children->child_memory, size[1]), children->allowed,
               children->used, units_format_size(children->child_memory * children->used, size[2]));
    if (plan->memory_only_here)
        buf_append_str(text, "\n  its memory can only be restored with virt-backup: virsh restore "
                             "reads zstd since libvirt 11");
}

static void put_planned_disk(const struct event_item *disk, struct json *object)
{
    json_set_u64(object, "image-size", disk->sizes.image);
    json_set_str(object, "file", disk->file);
}

static void put_planned_extra(const struct event_item *extra, struct json *object)
{
    json_set_str(object, "file", extra->file);
}

static struct json *backup_plan_left_out(const struct event_backup_plan *plan)
{
    struct json *array = json_new_array();

    for (size_t i = 0; i < plan->left_out_count; i++) {
        struct json *entry = json_new_object();
        json_set_str(entry, "target", plan->left_out[i].target);
        json_set_str(entry, "reason", plan->left_out[i].reason);
        json_add(array, entry);
    }
    return array;
}

static void write_backup_plan_fields(const struct event *event, struct json *fields)
{
    const struct event_backup_plan *plan = &event->backup_plan;
    const struct event_children *children = &plan->children;

    json_set_str(fields, "guest", event->guest);
    json_set_str(fields, "destination", plan->destination);
    json_set_str(fields, "state", plan->state);
    json_set_str(fields, "method", mode_word(plan->mode));
    json_set_u64(fields, "image-size", plan->image_size);
    json_set(fields, "disks", events_disks(&plan->disks, put_planned_disk));
    json_set(fields, "extras", events_extras(&plan->extras, put_planned_extra));
    if (plan->memory) {
        struct json *memory = json_new_object();
        json_set_u64(memory, "image-size", plan->memory->sizes.image);
        json_set_str(memory, "file", plan->memory->file);
        json_set(fields, "memory", memory);
    }
    json_set(fields, "left-out", backup_plan_left_out(plan));
    json_set_str(fields, "compression", plan->compression);
    json_set_u64(fields, "chunk-size", plan->chunk_size);
    json_set_u64(fields, "memory-per-child", children->child_memory);
    json_set_u64(fields, "children-allowed", children->allowed);
    json_set_u64(fields, "children", children->used);
    json_set_u64(fields, "children-memory", children->child_memory * children->used);
}

const struct event_form events_backup_plan = {"plan", EVENT_AS_RESULT, write_backup_plan,
                                              write_backup_plan_fields};

/* ---- what is done --------------------------------------------------------------------------- */

static void write_locks(const struct event *event, struct buf *text)
{
    buf_printf(text,
               "%s is on %s, where other hosts may not see this host's locks; do not back up "
               "guests of the same name there from two hosts at once",
               event->locks.place, event->locks.file_system);
}

static void write_locks_fields(const struct event *event, struct json *fields)
{
    json_set_str(fields, "file-system", event->locks.file_system);
}

const struct event_form events_locks = {"locks", EVENT_AS_RESULT, write_locks, write_locks_fields};

static void write_image(const struct event *event, struct buf *text)
{
    const struct event_image_stored *image = &event->image_stored;
    char raw[UNITS_TEXT_SIZE];
    char usage[UNITS_TEXT_SIZE];

    buf_printf(text, "guest '%s': %s: %s", event->guest, image->what,
               units_format_size(image->sizes.image, raw));
    units_format_size(image->sizes.usage, usage);
    if (image->file)
        buf_printf(text, " stored as %s, which takes %s", image->file, usage);
    else if (image->increment)
        buf_printf(text, ", of which %s were read and %s were new",
                   units_format_size(image->read, raw), usage);
    else
        buf_printf(text, ", of which %s were new", usage);
}

static void write_image_fields(const struct event *event, struct json *fields)
{
    const struct event_image_stored *image = &event->image_stored;

    json_set_str(fields, "guest", event->guest);
    json_set_str(fields, "disk", image->what);
    json_set_str(fields, "file", image->file);
    events_put_sizes(&image->sizes, fields);
    if (image->file)
        return;
    json_set_u64(fields, "read-size", image->read);
    json_set_bool(fields, "increment", image->increment);
}

const struct event_form events_image_stored = {"disk-done", EVENT_AS_RESULT, write_image,
                                               write_image_fields};

static void write_backed_up(const struct event *event, struct buf *text)
{
    const struct event_backed_up *backed_up = &event->backed_up;
    const struct event_done *done = &backed_up->done;
    char image[UNITS_TEXT_SIZE];
    char usage[UNITS_TEXT_SIZE];
    char time[UNITS_TEXT_SIZE];

    buf_printf(text, "guest '%s': %s", event->guest, backed_up->copied ? "copied" : "backed up");
    if (event->point_id)
        buf_printf(text, " as point %.*s", EVENTS_ID_SHOWN, event->point_id);
    buf_append_str(text, ", ");
    events_put_disks(done, text);
    buf_printf(text, ": %s stored in %s, %s", units_format_size(done->sizes.image, image),
               units_format_size(done->sizes.usage, usage),
               units_format_seconds(done->elapsed_ms / 1000, time));
    if (backed_up->downtime.known)
        buf_printf(text, ", down for %" PRIu64 ".%" PRIu64 " s", backed_up->downtime.ms / 1000,
                   backed_up->downtime.ms % 1000 / 100);
}

static void write_backed_up_fields(const struct event *event, struct json *fields)
{
    const struct event_backed_up *backed_up = &event->backed_up;

    events_put_named_point(event, fields);
    json_set_str(fields, "method", events_method(backed_up->consistency));
    json_set_str(fields, "consistency", events_consistency(backed_up->consistency));
    events_put_done(&backed_up->done, fields);
    if (backed_up->downtime.known)
        json_set_u64(fields, "downtime-ms", backed_up->downtime.ms);
}

const struct event_form events_backed_up = {"guest-done", EVENT_AS_RESULT, write_backed_up,
                                            write_backed_up_fields};
