/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/verbs.h"

#include <inttypes.h>
#include <string.h>

#include "base/units.h"
#include "base/when.h"
#include "ops/backup_sizes.h"
#include "ops/backup/tally.h"
#include "ops/findings.h"
#include "ops/host_key.h"
#include "ops/points.h"
#include "ops/undo/recover.h"
#include "ops/select.h"

/* "4 GiB stored as web-vda.raw, which takes 9 MiB (none)" */
static void describe_stored(const struct point *backup, const struct manifest_stored *stored,
                            struct buf *text, struct json *object)
{
    const struct sizes sizes = backup_sizes_of(backup, stored);
    char image[UNITS_TEXT_SIZE];
    char usage[UNITS_TEXT_SIZE];
    char codec[CODEC_TEXT_SIZE];

    codec_format(&stored->codec, codec);
    buf_printf(text, "%s stored as %s, which takes %s (%s)", units_format_size(sizes.image, image),
               stored->file.name, units_format_size(sizes.usage, usage), codec);
    json_set_str(object, "file", stored->file.name);
    json_set_str(object, "compression", codec);
    sizes_describe(&sizes, object);
}

static struct json *describe_disks(const struct point *backup, struct buf *text)
{
    const struct manifest *manifest = points_manifest(backup);
    struct json *disks = json_new_array();

    for (size_t i = 0; i < manifest->disk_count; i++) {
        const struct manifest_disk *disk = &manifest->disks[i];
        struct json *entry = json_new_object();
        buf_printf(text, "\n  %s: %s, %s, ", disk->target, disk->path, disk->format);
        json_set_str(entry, "target", disk->target);
        json_set_str(entry, "path", disk->path);
        json_set_str(entry, "format", disk->format);
        describe_stored(backup, &disk->stored, text, entry);
        json_add(disks, entry);
    }
    return disks;
}

static void describe_rest(const struct point *backup, struct buf *text, struct json *fields)
{
    const struct manifest *manifest = points_manifest(backup);
    struct json *extras = json_new_array();
    struct json *left_out = json_new_array();

    if (manifest->memory) {
        struct json *memory = json_new_object();
        buf_append_str(text, "\n  memory: ");
        describe_stored(backup, manifest->memory, text, memory);
        json_set(fields, "memory", memory);
    }
    for (size_t i = 0; i < manifest->extra_count; i++) {
        const struct manifest_extra *extra = &manifest->extras[i];
        struct json *entry = json_new_object();
        const char *kind = manifest_extra_name(extra->kind);
        buf_printf(text, "\n  %s: %s, ", kind, extra->path);
        json_set_str(entry, "kind", kind);
        json_set_str(entry, "path", extra->path);
        describe_stored(backup, &extra->stored, text, entry);
        json_add(extras, entry);
    }
    json_set(fields, "extras", extras);
    for (size_t i = 0; i < manifest->left_out_count; i++) {
        const struct manifest_left_out *part = &manifest->left_out[i];
        struct json *entry = json_new_object();
        buf_printf(text, "\n  %s: not in the backup (%s)%s%s", part->target, part->reason,
                   part->path ? ": " : "", part->path ? part->path : "");
        json_set_str(entry, "target", part->target);
        json_set_str(entry, "device", part->device);
        json_set_str(entry, "path", part->path);
        json_set_str(entry, "reason", part->reason);
        json_add(left_out, entry);
    }
    json_set(fields, "left-out", left_out);
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

/* Checks that everything is there with its size; verify checks their contents. -1: some do not; the
 * error is the first one's. */
static int describe_lacking(const struct point *backup, struct buf *text, struct json *fields,
                            struct err *err)
{
    const struct manifest *manifest = points_manifest(backup);
    struct json *lacking = json_new_array();
    const struct manifest_stored *stored;
    size_t cursor = 0;
    int result = 0;

    while ((stored = manifest_next_stored(manifest, &cursor))) {
        CLEANUP_ERR struct err why = ERR_INIT;
        uint64_t usage = 0;
        if (points_item_usage(backup, stored, &usage, &why) == 0)
            continue;
        struct json *entry = json_new_object();
        buf_printf(text, "\n  INCOMPLETE: %s", why.text);
        json_set_str(entry, "file", stored->file.name);
        json_set_str(entry, "kind", err_kind_name(why.kind));
        json_set_str(entry, "error", why.text);
        json_add(lacking, entry);
        if (result == 0)
            result = err_set(err, why.kind, "its backup is incomplete: %s", why.text);
    }
    json_set_bool(fields, "complete", result == 0);
    json_set(fields, "lacking", lacking);
    return result;
}

/* For a backup of this host, it is of interest only if that is lost. */
static void describe_findings(const struct manifest *manifest, enum seal_state seal,
                              struct buf *text, struct json *fields)
{
    struct definition_findings findings CLEANUP_FINDINGS = {0};

    findings_of_backup(manifest, &findings);
    json_set(fields, "findings", findings_json(&findings));
    if (findings.count == 0)
        return;
    CLEANUP_FREE char *line = findings_line(&findings, "--json lists");
    buf_printf(text, "\n  restoring it%s needs --trust-definition: %s",
               seal == SEAL_FITS ? " on another host" : "", line);
}

/* -1: part of the backup is missing. */
static int tell(const struct point *backup, const struct seal_key *key, const struct report *report,
                struct err *err)
{
    const struct manifest *manifest = points_manifest(backup);
    enum seal_state seal = seal_check(&manifest->seal, key);
    CLEANUP_BUF struct buf text = {0};
    struct json *fields = json_new_object();
    const char *state = manifest_state_name(manifest->state);
    const char *consistency = manifest_consistency_name(manifest->consistency);
    const struct sizes sizes = backup_sizes_all(backup);
    char image[UNITS_TEXT_SIZE];
    char usage[UNITS_TEXT_SIZE];
    char when[WHEN_TEXT_SIZE];

    buf_printf(&text, "%s: %s, %s on %s (%s), %s stored in %s", manifest->domain_name,
               when_local(manifest->time, when), state, manifest->host, consistency,
               units_format_size(sizes.image, image), units_format_size(sizes.usage, usage));
    if (manifest->has_downtime)
        buf_printf(&text, ", down for %" PRIu64 ".%03" PRIu64 " s", manifest->downtime_ms / 1000,
                   manifest->downtime_ms % 1000);
    json_set_str(fields, "guest", manifest->domain_name);
    json_set_str(fields, "uuid", manifest->domain_uuid);
    json_set_str(fields, "type", manifest->domain_type);
    json_set_str(fields, "time", manifest->time);
    json_set_str(fields, "host", manifest->host);
    if (manifest->host_uuid)
        json_set_str(fields, "host-uuid", manifest->host_uuid);
    json_set_str(fields, "uri", manifest->uri);
    json_set_str(fields, "state", state);
    json_set_bool(fields, "persistent", manifest->persistent);
    json_set_bool(fields, "autostart", manifest->autostart);
    json_set_str(fields, "method", backup_tally_method(manifest->consistency));
    json_set_str(fields, "consistency", backup_tally_consistency(manifest->consistency));
    if (manifest->sandbox != SANDBOX_UNKNOWN)
        json_set_str(fields, "sandbox", manifest_sandbox_name(manifest->sandbox));
    if (manifest->sandbox == SANDBOX_NONE)
        buf_printf(&text, ", without sandbox");
    buf_printf(&text, ", %s", seal_text(seal));
    json_set_str(fields, "seal", seal_state_name(seal));
    json_set_u64(fields, "format", manifest->format_version);
    if (manifest->has_downtime)
        json_set_u64(fields, "downtime-ms", manifest->downtime_ms);
    sizes_describe(&sizes, fields);
    json_set(fields, "disks", describe_disks(backup, &text));
    describe_rest(backup, &text, fields);
    describe_findings(manifest, seal, &text, fields);
    int result = describe_lacking(backup, &text, fields, err);
    CLEANUP_FREE char *line = buf_take_str(&text);
    report_event(report, "backup", fields, "%s", line);
    return result;
}

int list_run(const struct list_options *options, const struct report *report,
             struct outcome *ret_outcome, struct err *err)
{
    CLEANUP(points_store_closep) struct points_store *store = NULL;
    CLEANUP(host_key_freep) struct seal_key *key = NULL;
    struct selection guests CLEANUP(selection_clear) = {0};
    const struct select_request request = {
        .wanted = &options->domains, .report = report, .outcome = ret_outcome};

    recover_tell(report);
    if (points_store_open(options->source, &store, err) < 0)
        return -1;
    if (options->domains.count == 0) {
        if (select_all(store, &guests, err) < 0)
            return -1;
    } else if (select_from_store(store, &request, &guests, err) < 0) {
        return -1;
    }
    key = host_key_for_reading(report);
    for (size_t i = 0; i < guests.count; i++) {
        CLEANUP(points_closep) struct point *backup = NULL;
        CLEANUP_ERR struct err guest_err = ERR_INIT;
        if (!guests.chosen[i])
            continue;
        if (points_open(store, guests.names[i], NULL, &backup, &guest_err) == 0 &&
            tell(backup, key, report, &guest_err) == 0) {
            ret_outcome->good++;
            continue;
        }
        err_prefix(&guest_err, "guest '%s'", guests.names[i]);
        report_failure(report, ret_outcome, guests.names[i], &guest_err);
    }
    return 0;
}
