/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/verbs.h"

#include <string.h>

#include "base/log.h"
#include "ops/backup_sizes.h"
#include "ops/findings.h"
#include "ops/host_key.h"
#include "ops/points.h"
#include "ops/undo/recover.h"
#include "ops/select.h"

/* What the event of one backup borrows. */
struct list_entry {
    const struct point *backup;
    const struct manifest *manifest;
    struct event_item *disks;
    struct event_item *extras;
    struct event_item memory;
    struct event_left_out *left_out;
    struct definition_findings findings;
    struct event_lacking *lacking;
    struct err *lacking_errs;
    size_t lacking_count;
};

static void listing_clear(struct list_entry *listing)
{
    free(listing->disks);
    free(listing->extras);
    free(listing->left_out);
    definition_findings_clear(&listing->findings);
    free(listing->lacking);
    for (size_t i = 0; i < listing->lacking_count; i++)
        err_clear(&listing->lacking_errs[i]);
    free(listing->lacking_errs);
}

static struct event_item describe_stored(const struct point *backup,
                                         const struct manifest_stored *stored)
{
    struct event_item item = {.file = stored->file.name, .sizes = backup_sizes_of(backup, stored)};

    codec_format(&stored->codec, item.compression);
    return item;
}

static void describe_items(struct list_entry *listing)
{
    const struct manifest *manifest = listing->manifest;

    listing->disks = mem_array(manifest->disk_count, sizeof(*listing->disks));
    for (size_t i = 0; i < manifest->disk_count; i++) {
        const struct manifest_disk *disk = &manifest->disks[i];
        listing->disks[i] = describe_stored(listing->backup, &disk->stored);
        listing->disks[i].target = disk->target;
        listing->disks[i].path = disk->path;
        listing->disks[i].format = disk->format;
    }
    listing->extras = mem_array(manifest->extra_count, sizeof(*listing->extras));
    for (size_t i = 0; i < manifest->extra_count; i++) {
        const struct manifest_extra *extra = &manifest->extras[i];
        listing->extras[i] = describe_stored(listing->backup, &extra->stored);
        listing->extras[i].extra = extra->kind;
        listing->extras[i].extra_name = manifest_extra_name(extra->kind);
        listing->extras[i].path = extra->path;
    }
    if (manifest->memory)
        listing->memory = describe_stored(listing->backup, manifest->memory);
    listing->left_out = mem_array(manifest->left_out_count, sizeof(*listing->left_out));
    for (size_t i = 0; i < manifest->left_out_count; i++) {
        const struct manifest_left_out *part = &manifest->left_out[i];
        listing->left_out[i] =
            (struct event_left_out){part->target, part->device, part->path, part->reason};
    }
}

/* Checks that everything is there with its size; verify checks their contents. */
static void describe_lacking(struct list_entry *listing)
{
    const struct manifest *manifest = listing->manifest;
    size_t most = manifest->disk_count + manifest->extra_count + 1;
    const struct manifest_stored *stored;
    size_t cursor = 0;

    listing->lacking = mem_array(most, sizeof(*listing->lacking));
    listing->lacking_errs = mem_array(most, sizeof(*listing->lacking_errs));
    while ((stored = manifest_next_stored(manifest, &cursor))) {
        struct err *why = &listing->lacking_errs[listing->lacking_count];
        uint64_t usage = 0;
        if (points_item_usage(listing->backup, stored, &usage, why) == 0)
            continue;
        listing->lacking[listing->lacking_count++] =
            (struct event_lacking){stored->file.name, {why->kind, why->text}};
    }
}

/* -1: part of the backup is missing. */
static int tell_backup(const struct point *backup, const struct seal_key *key,
                       const struct report *report, struct err *err)
{
    const struct manifest *manifest = points_manifest(backup);
    struct list_entry listing CLEANUP(listing_clear) = {.backup = backup, .manifest = manifest};
    enum seal_state seal = seal_check(&manifest->seal, key);

    describe_items(&listing);
    findings_of_backup(manifest, &listing.findings);
    describe_lacking(&listing);
    report_event(
        report,
        &(struct event){.kind = EVENT_LISTED,
                        .guest = manifest->domain_name,
                        .listed = {
                            .uuid = manifest->domain_uuid,
                            .type = manifest->domain_type,
                            .time = manifest->time,
                            .host = manifest->host,
                            .host_uuid = manifest->host_uuid,
                            .uri = manifest->uri,
                            .state = manifest_state_name(manifest->state),
                            .persistent = manifest->persistent,
                            .autostart = manifest->autostart,
                            .consistency = manifest->consistency,
                            .consistency_name = manifest_consistency_name(manifest->consistency),
                            .sandbox = manifest->sandbox,
                            .sandbox_name = manifest_sandbox_name(manifest->sandbox),
                            .seal = seal,
                            .seal_name = seal_state_name(seal),
                            .format = manifest->format_version,
                            .downtime = {manifest->has_downtime, manifest->downtime_ms},
                            .sizes = backup_sizes_all(backup),
                            .disks = {listing.disks, manifest->disk_count},
                            .extras = {listing.extras, manifest->extra_count},
                            .memory = manifest->memory ? &listing.memory : NULL,
                            .left_out = listing.left_out,
                            .left_out_count = manifest->left_out_count,
                            .findings = &listing.findings,
                            .lacking = listing.lacking,
                            .lacking_count = listing.lacking_count,
                        }});
    if (listing.lacking_count == 0)
        return 0;
    return err_set(err, listing.lacking[0].problem.kind, "its backup is incomplete: %s",
                   listing.lacking[0].problem.error);
}

/* ---- a guest ----------------------------------------------------------------------------- */

struct list_run {
    struct points_store *store;
    const struct seal_key *key;
    const struct report *report;
    bool holds;
    bool told; /* a row of the table */
};

static int list_named(const struct list_run *run, const char *guest, const char *id,
                      struct err *err)
{
    CLEANUP(points_closep) struct point *backup = NULL;

    if (points_open(run->store, guest, id, &backup, err) < 0)
        return -1;
    return tell_backup(backup, run->key, run->report, err);
}

static bool is_shown_point(const struct list_run *run, const struct points_entry *entry,
                           const char *id)
{
    return (!run->holds || entry->held) && (!id || strcmp(entry->id, id) == 0);
}

/* -1: a point cannot be read. */
static int list_points_of(struct list_run *run, const char *guest, const char *id, struct err *err)
{
    CLEANUP_POINTS_LIST struct points_list list = {0};
    const struct points_entry *bad = NULL;
    size_t kept = 0;

    if (points_list(run->store, guest, &list, err) < 0)
        return -1;
    for (size_t i = 0; i < list.count; i++) {
        kept += !list.all[i].trashed;
        if (!is_shown_point(run, &list.all[i], id))
            continue;
        if (list.all[i].problem)
            bad = &list.all[i];
        report_event(run->report, &(struct event){.kind = EVENT_LISTED_POINT,
                                                  .guest = guest,
                                                  .listed_point = {&list.all[i], !run->told,
                                                                   .with_hold = run->holds}});
        run->told = true;
    }
    if (list.count > 0 && kept == 0 && !run->holds)
        log_notice("guest '%s': all its points are in the trash; virt-backup undelete takes them "
                   "out",
                   guest);
    return bad ? err_set(err, ERR_CORRUPT, "a point cannot be read: %s", bad->problem) : 0;
}

static int list_guest(struct list_run *run, const char *guest, const char *id, struct err *err)
{
    if (points_store_has_many(run->store) && (!id || run->holds))
        return list_points_of(run, guest, id, err);
    return list_named(run, guest, id, err);
}

int list_run(const struct list_options *options, const struct report *report,
             struct outcome *ret_outcome, struct err *err)
{
    CLEANUP(points_store_closep) struct points_store *store = NULL;
    CLEANUP(host_key_freep) struct seal_key *key = NULL;
    struct selection guests CLEANUP(selection_clear) = {0};
    const struct select_request request = {
        .wanted = &options->domains, .trashed = true, .report = report, .outcome = ret_outcome};

    recover_tell(report);
    if (points_store_open(&options->source, &store, err) < 0)
        return -1;
    if (options->domains.count == 0) {
        if (select_all(store, &guests, err) < 0)
            return -1;
    } else if (select_from_store(store, &request, &guests, err) < 0) {
        return -1;
    }
    key = host_key_for_reading(report);
    struct list_run run = {store, key, report, options->holds, false};
    for (size_t i = 0; i < guests.count; i++) {
        CLEANUP_ERR struct err guest_err = ERR_INIT;
        if (!guests.chosen[i])
            continue;
        if (list_guest(&run, guests.names[i], guests.points[i], &guest_err) == 0) {
            ret_outcome->good++;
            continue;
        }
        err_prefix(&guest_err, "guest '%s'", guests.names[i]);
        report_failure(report, ret_outcome, guests.names[i], &guest_err);
    }
    if (options->holds && !run.told)
        log_notice("no point is held");
    return 0;
}
