/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/verbs.h"

#include <string.h>

#include "archive/archive.h"
#include "archive/image.h"
#include "base/quit.h"
#include "base/units.h"
#include "ops/children.h"
#include "ops/extras.h"
#include "ops/host_key.h"
#include "ops/memory.h"
#include "ops/select.h"
#include "ops/transfer.h"

struct verify_run {
    const struct report *report;
    struct archive_reader *archive;
    struct seal_key *key; /* this host's; NULL: it has none */
    struct children children;
    struct outcome *outcome;
};

/* One thing found wrong; the rest of the archive is still looked at. */
static void note_damage(struct verify_run *run, const char *guest, const struct err *err)
{
    struct json *fields = json_new_object();

    /* What can't be read is not known to be good: for who relies on the backup it
     * is damage too. */
    run->outcome->damaged = true;
    json_set_str(fields, "guest", guest);
    json_set_str(fields, "kind", err_kind_name(err->kind));
    json_set_str(fields, "error", err->text);
    report_event(run->report, "damage", fields, "guest '%s': %s", guest, err->text);
}

static int check_image(struct verify_run *run, const char *guest, const struct manifest_disk *disk,
                       struct err *err)
{
    CLEANUP_CLOSE int fd = -1;
    CLEANUP(image_reader_freep) struct image_reader *image = NULL;
    const struct manifest_stored *stored = &disk->stored;
    const struct container_indexer indexer = children_indexer(&run->children);
    CLEANUP_FREE char *path =
        mem_printf("%s/%s", archive_reader_path(run->archive), stored->file.name);
    struct transfer transfer = {
        .children = &run->children,
        .report = run->report,
        .guest = guest,
        .what = disk->target,
        .stored_path = path,
    };

    if (archive_reader_open_file(run->archive, stored, &fd, err) < 0 ||
        image_reader_new(fd, stored, 0, &indexer, &image, err) < 0)
        return err_prefix(err, "%s", path);
    image_reader_hash(image);
    if (children_pool(&run->children, &stored->codec, stored->image.chunk_size, 0, err) < 0)
        return -1;
    if (transfer_check(&transfer, image, stored, err) < 0) {
        children_end(&run->children); /* a pool in mid-image can't be used again */
        return -1;
    }
    return 0;
}

static int check_memory(struct verify_run *run, const char *guest,
                        const struct manifest_stored *stored, struct err *err)
{
    const struct memory_restore memory = {
        .children = &run->children,
        .report = run->report,
        .guest = guest,
        .archive = run->archive,
        .stored = stored,
    };

    if (memory_verify(&memory, err) < 0) {
        children_end(&run->children);
        return -1;
    }
    return 0;
}

/* Counts in *bad what is damaged. -1 only to stop the run. */
static int settle(struct verify_run *run, const char *guest, int result, struct err *found,
                  unsigned *bad, struct err *err)
{
    if (result == 0)
        return quit_check(err);
    /* Options that can't be met say nothing about the archive. */
    if (found->kind == ERR_CANCELLED || found->kind == ERR_USAGE)
        return err_move(err, found);
    note_damage(run, guest, found);
    err_clear(found);
    (*bad)++;
    return 0;
}

static int check_files(struct verify_run *run, const char *guest, const struct manifest *manifest,
                       unsigned *bad, struct err *err)
{
    CLEANUP_ERR struct err found = ERR_INIT;

    for (size_t i = 0; i < manifest->disk_count; i++) {
        int result = check_image(run, guest, &manifest->disks[i], &found);
        if (settle(run, guest, result, &found, bad, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < manifest->extra_count; i++) {
        int result = extras_restore(run->archive, &manifest->extras[i], NULL, &found);
        if (settle(run, guest, result, &found, bad, err) < 0)
            return -1;
    }
    if (!manifest->memory)
        return 0;
    int result = check_memory(run, guest, manifest->memory, &found);
    return settle(run, guest, result, &found, bad, err);
}

static int verify_guest(struct verify_run *run, const char *guest, struct err *err)
{
    CLEANUP(manifest_freep) struct manifest *manifest = NULL;
    CLEANUP_ERR struct err found = ERR_INIT;
    struct json *fields = NULL;
    unsigned bad = 0;

    if (archive_reader_manifest(run->archive, guest, &manifest, &found) < 0) {
        note_damage(run, guest, &found);
        run->outcome->failed++;
        return 0;
    }
    if (seal_check(&manifest->seal, run->key) == SEAL_BROKEN)
        report_warning(run->report, guest,
                       "its seal is broken: the backup was changed after this host made it");
    if (check_files(run, guest, manifest, &bad, err) < 0)
        return -1;
    if (bad) {
        run->outcome->failed++;
        return 0;
    }
    run->outcome->good++;
    fields = json_new_object();
    json_set_str(fields, "guest", guest);
    report_event(run->report, "guest-done", fields, "guest '%s': good (%zu disk%s%s)", guest,
                 manifest->disk_count, manifest->disk_count == 1 ? "" : "s",
                 manifest->memory ? " and memory" : "");
    return 0;
}

static void run_clear(struct verify_run *run)
{
    children_end(&run->children);
    archive_reader_close(run->archive);
    host_key_free(run->key);
}

int verify_run(const struct verify_options *options, struct spawner *spawner,
               const struct report *report, struct outcome *ret_outcome, struct err *err)
{
    struct selection guests CLEANUP(selection_clear) = {0};
    struct verify_run run CLEANUP(run_clear) = {
        .report = report,
        .children = {.spawner = spawner, .options = &options->children, .decode = true},
        .outcome = ret_outcome,
    };

    if (archive_reader_open(options->source, &run.archive, err) < 0 ||
        select_from_archive(run.archive, &options->domains, &options->exclude_domains, &guests,
                            err) < 0)
        return -1;
    children_warn(&options->children, report);
    run.key = host_key_for_reading(report);
    for (size_t i = 0; i < guests.count; i++)
        if (guests.chosen[i] && verify_guest(&run, guests.names[i], err) < 0) {
            ret_outcome->signal = quit_requested();
            return -1;
        }
    work_tell(&run.children.work, report);
    return 0;
}
