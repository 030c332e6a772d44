/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/events_private.h"

#include <inttypes.h>

#include "base/units.h"
#include "base/when.h"
#include "ops/findings.h"

/* ---- for people ----------------------------------------------------------------------------- */

/* "4 GiB stored as web-vda.raw, which takes 9 MiB (none)" */
static void put_stored(const struct event_item *item, struct buf *text)
{
    char image[UNITS_TEXT_SIZE];
    char usage[UNITS_TEXT_SIZE];

    buf_append_str(text, units_format_size(item->sizes.image, image));
    if (item->file)
        buf_printf(text, " stored as %s, which takes %s", item->file,
                   units_format_size(item->sizes.usage, usage));
    buf_printf(text, " (%s)", item->compression);
}

static const char *seal_text(enum seal_state seal)
{
    static const char *const texts[] = {
        [SEAL_NONE] = "not sealed",
        [SEAL_FITS] = "sealed by this host",
        [SEAL_FOREIGN] = "sealed by another host",
        [SEAL_BROKEN] = "SEAL BROKEN",
    };

    return texts[seal];
}

static void put_first_line(const struct event *event, struct buf *text)
{
    const struct event_listed *listed = &event->listed;
    char image[UNITS_TEXT_SIZE];
    char usage[UNITS_TEXT_SIZE];
    char when[WHEN_TEXT_SIZE];

    buf_printf(text, "%s: %s, %s on %s (%s), %s stored in %s", event->guest,
               when_local(listed->time, when), listed->state, listed->host,
               listed->consistency_name, units_format_size(listed->sizes.image, image),
               units_format_size(listed->sizes.usage, usage));
    if (listed->downtime.known)
        buf_printf(text, ", down for %" PRIu64 ".%03" PRIu64 " s", listed->downtime.ms / 1000,
                   listed->downtime.ms % 1000);
    if (listed->sandbox == SANDBOX_NONE)
        buf_append_str(text, ", without sandbox");
    buf_printf(text, ", %s", seal_text(listed->seal));
}

/* For a backup of this host, it is of interest only if that is lost. */
static void put_trust(const struct event_listed *listed, struct buf *text)
{
    CLEANUP_FREE char *line = findings_line(listed->findings, "--json lists");

    if (listed->findings->count)
        buf_printf(text, "\n  restoring it%s needs --trust-definition: %s",
                   listed->seal == SEAL_FITS ? " on another host" : "", line);
}

static void write_listed(const struct event *event, struct buf *text)
{
    const struct event_listed *listed = &event->listed;

    put_first_line(event, text);
    for (size_t i = 0; i < listed->disks.count; i++) {
        const struct event_item *disk = &listed->disks.all[i];
        buf_printf(text, "\n  %s: %s, %s, ", disk->target, disk->path, disk->format);
        put_stored(disk, text);
    }
    if (listed->memory) {
        buf_append_str(text, "\n  memory: ");
        put_stored(listed->memory, text);
    }
    for (size_t i = 0; i < listed->extras.count; i++) {
        const struct event_item *extra = &listed->extras.all[i];
        buf_printf(text, "\n  %s: %s, ", extra->extra_name, extra->path);
        put_stored(extra, text);
    }
    for (size_t i = 0; i < listed->left_out_count; i++) {
        const struct event_left_out *part = &listed->left_out[i];
        buf_printf(text, "\n  %s: not in the backup (%s)%s%s", part->target, part->reason,
                   part->path ? ": " : "", part->path ? part->path : "");
    }
    put_trust(listed, text);
    for (size_t i = 0; i < listed->lacking_count; i++)
        buf_printf(text, "\n  INCOMPLETE: %s", listed->lacking[i].problem.error);
}

/* ---- for programs ------------------------------------------------------------------------------ */

struct json *events_findings(const struct definition_findings *findings)
{
    struct json *array = json_new_array();

    for (size_t i = 0; i < findings->count; i++) {
        struct json *entry = json_new_object();
        json_set_str(entry, "what", findings->all[i].text);
        json_add(array, entry);
    }
    return array;
}

static void put_stored_fields(const struct event_item *item, struct json *object)
{
    json_set_str(object, "file", item->file);
    json_set_str(object, "compression", item->compression);
    events_put_sizes(&item->sizes, object);
}

static struct json *listed_left_out(const struct event_listed *listed)
{
    struct json *array = json_new_array();

    for (size_t i = 0; i < listed->left_out_count; i++) {
        const struct event_left_out *part = &listed->left_out[i];
        struct json *entry = json_new_object();
        json_set_str(entry, "target", part->target);
        json_set_str(entry, "device", part->device);
        json_set_str(entry, "path", part->path);
        json_set_str(entry, "reason", part->reason);
        json_add(array, entry);
    }
    return array;
}

static struct json *listed_lacking(const struct event_listed *listed)
{
    struct json *array = json_new_array();

    for (size_t i = 0; i < listed->lacking_count; i++) {
        const struct event_lacking *lacking = &listed->lacking[i];
        struct json *entry = json_new_object();
        json_set_str(entry, "file", lacking->file);
        json_set_str(entry, "kind", err_kind_name(lacking->problem.kind));
        json_set_str(entry, "error", lacking->problem.error);
        json_add(array, entry);
    }
    return array;
}

static void write_listed_fields(const struct event *event, struct json *fields)
{
    const struct event_listed *listed = &event->listed;

    json_set_str(fields, "guest", event->guest);
    if (listed->scope)
        json_set_str(fields, "scope", listed->scope);
    json_set_str(fields, "uuid", listed->uuid);
    json_set_str(fields, "type", listed->type);
    json_set_str(fields, "time", listed->time);
    json_set_str(fields, "host", listed->host);
    if (listed->host_uuid)
        json_set_str(fields, "host-uuid", listed->host_uuid);
    json_set_str(fields, "uri", listed->uri);
    json_set_str(fields, "state", listed->state);
    json_set_bool(fields, "persistent", listed->persistent);
    json_set_bool(fields, "autostart", listed->autostart);
    json_set_str(fields, "method", events_method(listed->consistency));
    json_set_str(fields, "consistency", events_consistency(listed->consistency));
    if (listed->sandbox != SANDBOX_UNKNOWN)
        json_set_str(fields, "sandbox", listed->sandbox_name);
    json_set_str(fields, "seal", listed->seal_name);
    json_set_u64(fields, "format", listed->format);
    if (listed->downtime.known)
        json_set_u64(fields, "downtime-ms", listed->downtime.ms);
    events_put_sizes(&listed->sizes, fields);
    json_set(fields, "disks", events_disks(&listed->disks, put_stored_fields));
    if (listed->memory) {
        struct json *memory = json_new_object();
        put_stored_fields(listed->memory, memory);
        json_set(fields, "memory", memory);
    }
    json_set(fields, "extras", events_extras(&listed->extras, put_stored_fields));
    json_set(fields, "left-out", listed_left_out(listed));
    json_set(fields, "findings", events_findings(listed->findings));
    json_set_bool(fields, "complete", listed->lacking_count == 0);
    json_set(fields, "lacking", listed_lacking(listed));
}

const struct event_form events_listed = {"backup", EVENT_AS_RESULT, write_listed,
                                         write_listed_fields};
