/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/verbs.h"

#include <string.h>

#include "base/log.h"
#include "ops/backup_sizes.h"
#include "ops/findings.h"
#include "ops/host_key.h"
#include "ops/points/scopes.h"
#include "ops/points/points.h"
#include "ops/undo/recover.h"
#include "ops/guests/select.h"

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

static void list_entry_clear(struct list_entry *listing)
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
static int tell_backup(const struct point *backup, const char *scope, const struct seal_key *key,
                       const struct report *report, struct err *err)
{
    const struct manifest *manifest = points_manifest(backup);
    struct list_entry listing CLEANUP(list_entry_clear) = {.backup = backup, .manifest = manifest};
    enum seal_state seal = seal_check(&manifest->seal, key);

    describe_items(&listing);
    findings_of_backup(manifest, &listing.findings);
    describe_lacking(&listing);
    report_event(
        report,
        &(struct event){.kind = EVENT_LISTED,
                        .guest = manifest->domain_name,
                        .listed = {
                            .scope = scope,
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

/* A store, and what is to be listed of it. */
struct list_part {
    char *scope; /* owned; of a repository; NULL: an archive */
    struct points_store *store;
    struct selection guests;
    struct strings unmatched; /* words that mean no guest of it */
};

struct list_run {
    const struct list_options *options;
    const struct report *report;
    struct outcome *outcome;
    struct seal_key *key;
    struct list_part *parts; /* owned */
    size_t count;
    struct err first; /* a point that is meant is not in some scope */
    bool told;        /* a row of the table */
    bool hidden;      /* a guest has only partial points */
};

static void drop_last_part(struct list_run *run)
{
    struct list_part *part = &run->parts[--run->count];

    free(part->scope);
    points_store_close(part->store);
    selection_clear(&part->guests);
    strings_clear(&part->unmatched);
}

static void list_run_clear(struct list_run *run)
{
    while (run->count > 0)
        drop_last_part(run);
    free(run->parts);
    err_clear(&run->first);
    host_key_free(run->key);
}

static int list_named(const struct list_run *run, const struct list_part *part, const char *guest,
                      const char *id, struct err *err)
{
    CLEANUP(points_closep) struct point *backup = NULL;

    if (points_open(part->store, guest, id, &backup, err) < 0)
        return -1;
    return tell_backup(backup, part->scope, run->key, run->report, err);
}

static bool is_shown_point(const struct list_run *run, const struct points_entry *entry,
                           const char *id)
{
    if (run->options->holds)
        return entry->held && (!id || strcmp(entry->id, id) == 0);
    return entry->problem || entry->complete || run->options->partial;
}

/* Verbs that are given no scope would look for its points in the usual one. */
static bool is_scope_shown(const struct list_run *run, const struct list_part *part)
{
    return run->count > 1 ||
           (!run->options->source.scope && strcmp(part->scope, points_usual_scope) != 0);
}

/* -1: a point cannot be read. */
static int list_points_of(struct list_run *run, const struct list_part *part, const char *guest,
                          const char *id, struct err *err)
{
    CLEANUP_POINTS_LIST struct points_list list = {0};
    const struct points_entry *bad = NULL;
    size_t kept = 0, shown = 0;

    if (points_list(part->store, guest, &list, err) < 0)
        return -1;
    for (size_t i = 0; i < list.count; i++) {
        kept += !list.all[i].trashed;
        if (!is_shown_point(run, &list.all[i], id))
            continue;
        shown++;
        if (list.all[i].problem)
            bad = &list.all[i];
        report_event(run->report, &(struct event){.kind = EVENT_LISTED_POINT,
                                                  .guest = guest,
                                                  .listed_point = {
                                                      .entry = &list.all[i],
                                                      .first = !run->told,
                                                      .with_hold = run->options->holds,
                                                      .scope = part->scope,
                                                      .with_scope = is_scope_shown(run, part),
                                                  }});
        run->told = true;
    }
    if (list.count > 0 && kept == 0 && !run->options->holds)
        log_notice("guest '%s': all its points are in the trash; virt-backup undelete takes them "
                   "out",
                   guest);
    run->hidden = run->hidden || (kept > 0 && shown == 0);
    if (kept > 0 && shown == 0 && !run->options->holds)
        log_notice(
            "guest '%s': no backup of it was completed yet; the next one goes on with what is "
            "stored, which list --partial shows",
            guest);
    return bad ? err_set(err, ERR_CORRUPT, "a point cannot be read: %s", bad->problem) : 0;
}

static int list_guest(struct list_run *run, const struct list_part *part, size_t place,
                      struct err *err)
{
    const char *guest = part->guests.names[place], *id = part->guests.points[place];

    if (points_store_has_many(part->store) && (!id || run->options->holds))
        return list_points_of(run, part, guest, id, err);
    return list_named(run, part, guest, id, err);
}

static void list_part_of(struct list_run *run, const struct list_part *part)
{
    for (size_t i = 0; i < part->guests.count; i++) {
        CLEANUP_ERR struct err guest_err = ERR_INIT;
        if (!part->guests.chosen[i])
            continue;
        if (list_guest(run, part, i, &guest_err) == 0) {
            run->outcome->good++;
            continue;
        }
        err_prefix(&guest_err, "guest '%s'", part->guests.names[i]);
        report_failure(run->report, run->outcome, part->guests.names[i], &guest_err);
    }
}

/* ---- what there is to list ------------------------------------------------------------------- */

/* one_of_several: a guest that is not in it may be in another one. */
static int add_list_part(struct list_run *run, const struct points_place *place,
                         bool one_of_several, struct err *err)
{
    const struct name_list *domains = &run->options->domains;

    run->parts = mem_resize(run->parts, run->count + 1, sizeof(*run->parts));
    struct list_part *part = &run->parts[run->count++];
    *part = (struct list_part){0};
    if (place->is_repository)
        part->scope = mem_strdup(place->scope);
    const struct select_request request = {
        .wanted = domains,
        .trashed = true,
        .unmatched = one_of_several ? &part->unmatched : NULL,
        .report = run->report,
        .outcome = run->outcome,
    };
    if (points_store_open(place, &part->store, err) < 0)
        return -1;
    return domains->count == 0 ? select_all(part->store, &part->guests, err)
                               : select_from_store(part->store, &request, &part->guests, err);
}

/* The others can be listed all the same. */
static int scope_cannot_be_listed(struct list_run *run, const char *scope, struct err *why,
                                  struct err *err)
{
    if (why->kind == ERR_CANCELLED || why->kind == ERR_TRANSIENT || why->kind == ERR_USAGE)
        return err_move(err, why);
    err_prefix(why, "scope '%s'", scope);
    run->outcome->failed++;
    report_event(run->report, &(struct event){.kind = EVENT_SCOPE_FAILED,
                                              .scope_failed = {scope, {why->kind, why->text}}});
    return 0;
}

static int add_list_scope(void *opaque, const struct repository *repository, const char *scope,
                          struct err *err)
{
    struct list_run *run = opaque;
    struct points_place place = run->options->source;
    CLEANUP_ERR struct err failure = ERR_INIT;

    (void)repository;
    place.scope = scope;
    if (add_list_part(run, &place, true, &failure) == 0)
        return 0;
    /* A guest that is named may be in another scope. */
    bool elsewhere = failure.kind == ERR_NOT_FOUND && run->options->domains.count > 0 &&
                     run->parts[run->count - 1].store;
    if (!elsewhere) {
        drop_last_part(run);
        return scope_cannot_be_listed(run, scope, &failure, err);
    }
    if (run->first.kind == ERR_NONE)
        err_move(&run->first, &failure);
    return 0;
}

static bool is_matched(const struct list_run *run, const char *word)
{
    for (size_t i = 0; i < run->count; i++)
        if (!strings_has(&run->parts[i].unmatched, word))
            return true;
    return false;
}

static size_t count_chosen(const struct list_run *run)
{
    size_t chosen = 0;

    for (size_t i = 0; i < run->count; i++)
        for (size_t j = 0; j < run->parts[i].guests.count; j++)
            chosen += run->parts[i].guests.chosen[j];
    return chosen;
}

/* Words that mean a guest in no scope. */
static int tell_unmatched(struct list_run *run, struct err *err)
{
    const struct name_list *domains = &run->options->domains;
    CLEANUP_FREE char *where = mem_printf("repository %s", run->options->source.path);

    if (domains->count == 0)
        return 0;
    if (count_chosen(run) == 0 && run->first.kind != ERR_NONE)
        return err_move(err, &run->first);
    if (count_chosen(run) == 0)
        return err_set(err, ERR_NOT_FOUND, "%s has no guest '%s'%s", where, domains->names[0],
                       domains->count > 1 ? ", nor any of the others" : "");
    for (size_t i = 0; i < run->parts[0].unmatched.count; i++) {
        const char *word = run->parts[0].unmatched.items[i];
        const struct event_no_match no_match = {NO_MATCH_GUEST, "--domain-names", word, where};
        if (!is_matched(run, word))
            report_no_match(run->report, run->outcome, &no_match);
    }
    return 0;
}

static int add_list_parts(struct list_run *run, struct err *err)
{
    const struct points_place *source = &run->options->source;
    const struct scopes_request request = {.url = source->path,
                                           .parser = source->parser,
                                           .report = run->report,
                                           .outcome = run->outcome};
    const struct scopes_each each = {add_list_scope, run};

    if (!source->is_repository || source->scope)
        return add_list_part(run, source, false, err);
    if (scopes_run(&request, &each, err) < 0)
        return -1;
    /* A list finds no damage: it has failed to show a scope. */
    run->outcome->damaged = false;
    return tell_unmatched(run, err);
}

int list_run(const struct list_options *options, const struct report *report,
             struct outcome *ret_outcome, struct err *err)
{
    struct list_run run CLEANUP(list_run_clear) = {
        .options = options, .report = report, .outcome = ret_outcome};

    recover_tell(report);
    if (add_list_parts(&run, err) < 0)
        return -1;
    run.key = host_key_for_reading(report);
    for (size_t i = 0; i < run.count; i++)
        list_part_of(&run, &run.parts[i]);
    if (options->holds && !run.told && ret_outcome->failed == 0)
        log_notice("no point is held");
    else if (options->source.is_repository && options->domains.count == 0 && !run.told &&
             !run.hidden && ret_outcome->failed == 0)
        log_notice("%s: has no points", options->source.path);
    else if (!options->source.is_repository && options->domains.count == 0 &&
             ret_outcome->good == 0 && ret_outcome->failed == 0)
        log_notice("%s: has no backups", options->source.path);
    return 0;
}
