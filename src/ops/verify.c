/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/verbs.h"

#include <string.h>

#include "base/log.h"
#include "base/quit.h"
#include "base/units.h"
#include "ops/backup_sizes.h"
#include "ops/transfer/children.h"
#include "ops/events/course.h"
#include "ops/extras.h"
#include "ops/host_key.h"
#include "ops/memory.h"
#include "ops/points/points.h"
#include "ops/points/repository_check.h"
#include "ops/undo/recover.h"
#include "ops/guests/select.h"
#include "ops/transfer/transfer.h"

/* If a backup is replaced each time while it is read, verify gives up. */
#define REPLACED_TIMES 3

struct verify_run {
    const struct report *report;
    struct points_store *store;
    struct seal_key *key; /* this host's; NULL: it has no key */
    struct children children;
    struct outcome *outcome;
    struct course course;
    uint64_t wait_ms;
};

struct verify_check {
    struct verify_run *run;
    const char *guest;
    const struct point *backup;
    uint64_t started_ms;
    unsigned bad;  /* files found damaged */
    bool replaced; /* errors since then need not be damage */
};

static void note_damage(struct verify_run *run, const char *guest, const struct err *err)
{
    /* What cannot be read is not known to be good. To anybody who relies on the backup that is
     * damage too. */
    run->outcome->damaged = true;
    report_event(
        run->report,
        &(struct event){.kind = EVENT_DAMAGE, .guest = guest, .problem = {err->kind, err->text}});
}

static int verify_image(const struct verify_check *check, const struct manifest_disk *disk,
                        struct err *err)
{
    CLEANUP(points_close_imagep) struct points_image *image = NULL;
    struct children *children = &check->run->children;
    const struct manifest_stored *stored = &disk->stored;
    const struct container_indexer indexer = children_indexer(children);
    const struct points_image_request request = {stored, &indexer, .whole = true};
    struct transfer transfer = {
        .children = children,
        .report = check->run->report,
        .guest = check->guest,
        .what = disk->target,
    };

    if (points_open_image(check->backup, &request, &image, err) < 0)
        return -1;
    const struct chunk_source source = points_image_source(image);
    const struct codec_spec codec = points_image_codec(image);
    if (children_pool(children, &codec, source.chunk_size, 0, err) < 0)
        return -1;
    if (transfer_out(&transfer, &source, NULL, &stored->image, err) < 0) {
        children_end(children); /* a pool cannot be used again in the middle of an image */
        return -1;
    }
    return 0;
}

static int verify_memory(const struct verify_check *check, struct err *err)
{
    const struct memory_restore memory = {
        .children = &check->run->children,
        .report = check->run->report,
        .guest = check->guest,
        .backup = check->backup,
    };

    if (memory_verify(&memory, err) < 0) {
        children_end(&check->run->children);
        return -1;
    }
    return 0;
}

/* Notes what is damaged. -1 only to stop the run. */
static int settle_check(struct verify_check *check, int result, struct err *found, struct err *err)
{
    if (result == 0)
        return quit_check(err);
    /* Options that cannot be met say nothing about the archive, and neither does what befell this run. */
    if (found->kind == ERR_CANCELLED || found->kind == ERR_USAGE || found->kind == ERR_TRANSIENT)
        return err_move(err, found);
    if (!points_is_current(check->backup)) {
        check->replaced = true;
        err_clear(found);
        return 0;
    }
    note_damage(check->run, check->guest, found);
    err_clear(found);
    check->bad++;
    return 0;
}

static int check_files(struct verify_check *check, struct err *err)
{
    const struct manifest *manifest = points_manifest(check->backup);
    CLEANUP_ERR struct err found = ERR_INIT;

    for (size_t i = 0; !check->replaced && i < manifest->disk_count; i++) {
        int result = verify_image(check, &manifest->disks[i], &found);
        if (settle_check(check, result, &found, err) < 0)
            return -1;
    }
    for (size_t i = 0; !check->replaced && i < manifest->extra_count; i++) {
        int result = extras_restore(check->backup, &manifest->extras[i], -1, &found);
        if (settle_check(check, result, &found, err) < 0)
            return -1;
    }
    if (!manifest->memory || check->replaced)
        return 0;
    int result = verify_memory(check, &found);
    return settle_check(check, result, &found, err);
}

static void note_good(const struct verify_check *check)
{
    const struct manifest *manifest = points_manifest(check->backup);
    const struct sizes sizes = backup_sizes_all(check->backup);
    struct outcome *outcome = check->run->outcome;

    outcome->good++;
    sizes_add(&outcome->sizes, &sizes);
    report_event(check->run->report,
                 &(struct event){.kind = EVENT_VERIFIED,
                                 .guest = check->guest,
                                 .verified = {.disks = manifest->disk_count,
                                              .memory = manifest->memory != NULL,
                                              .sizes = sizes,
                                              .elapsed_ms = units_now_ms() - check->started_ms}});
}

/* *ret_busy: another backup took its place before it was verified. */
static int verify_once(struct verify_run *run, const char *guest, const char *id,
                       struct err *ret_busy, struct err *err)
{
    CLEANUP(points_closep) struct point *backup = NULL;
    CLEANUP_ERR struct err found = ERR_INIT;

    if (points_open(run->store, guest, id, &backup, &found) < 0) {
        if (found.kind == ERR_BUSY) {
            err_move(ret_busy, &found);
        } else if (found.kind == ERR_NOT_FOUND) {
            report_event(run->report, &(struct event){.kind = EVENT_VANISHED, .guest = guest});
        } else {
            note_damage(run, guest, &found);
            run->outcome->failed++;
        }
        return 0;
    }
    struct verify_check check = {
        .run = run, .guest = guest, .backup = backup, .started_ms = units_now_ms()};
    if (seal_check(&points_manifest(backup)->seal, run->key) == SEAL_BROKEN)
        report_warning(run->report, guest, &(struct warning){WARNING_SEAL_BROKEN});
    course_volume(&run->course, backup_sizes_images(backup));
    if (check_files(&check, err) < 0)
        return -1;
    if (check.replaced)
        err_set(ret_busy, ERR_BUSY, "its backup keeps being replaced while it is read");
    else if (check.bad)
        run->outcome->failed++;
    else
        note_good(&check);
    return 0;
}

static int verify_guest(struct verify_run *run, const char *guest, const char *id, struct err *err)
{
    const uint64_t begun_ms = units_now_ms();

    for (int i = 1;; i++) {
        CLEANUP_ERR struct err busy = ERR_INIT;
        if (verify_once(run, guest, id, &busy, err) < 0 || quit_check(err) < 0)
            return -1;
        if (!busy.text)
            return 0;
        if (i >= REPLACED_TIMES && units_now_ms() - begun_ms >= run->wait_ms) {
            run->outcome->busy++;
            err_prefix(&busy, "guest '%s'", guest);
            report_failure(run->report, run->outcome, guest, &busy);
            return 0;
        }
        log_detail("guest '%s': %s; trying again", guest, busy.text);
    }
}

/* Without its manifest a backup is lost, and only its files show that it existed. */
static int verify_orphans(struct verify_run *run, struct err *err)
{
    CLEANUP_STRINGS struct strings names = {0};

    if (points_store_orphans(run->store, &names, err) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++) {
        run->outcome->damaged = true;
        report_event(run->report,
                     &(struct event){.kind = EVENT_ORPHAN,
                                     .orphan = {points_store_place(run->store), names.items[i]}});
    }
    return 0;
}

static void verify_run_clear(struct verify_run *run)
{
    children_end(&run->children);
    course_clear(&run->course);
    points_store_close(run->store);
    host_key_free(run->key);
}

int verify_run(const struct verify_options *options, struct spawner *spawner,
               const struct report *report, struct outcome *ret_outcome, struct err *err)
{
    struct selection guests CLEANUP(selection_clear) = {0};
    struct verify_run run CLEANUP(verify_run_clear) = {
        .report = report,
        .children = {.spawner = spawner, .options = &options->children, .decode = true},
        .outcome = ret_outcome,
        .wait_ms = options->wait_ms,
    };
    const struct select_request request = {.wanted = &options->domains,
                                           .excluded = &options->exclude_domains,
                                           .report = report,
                                           .outcome = ret_outcome};

    if (options->source.is_repository)
        return points_repository_verify(options, spawner, report, ret_outcome, err);
    recover_tell(report);
    if (points_store_open(&options->source, &run.store, err) < 0 ||
        select_from_store(run.store, &request, &guests, err) < 0)
        return -1;
    children_warn(&options->children, report);
    run.key = host_key_for_reading(report);
    int result = 0;
    course_begin(&run.course, report, guests.chosen, guests.count);
    if (course_wants_estimates(&run.course))
        for (size_t i = 0; i < guests.count; i++)
            if (guests.chosen[i])
                course_estimate(
                    &run.course, i,
                    backup_sizes_expected(run.store, guests.names[i], guests.points[i]));
    for (size_t i = 0; i < guests.count; i++) {
        if (!guests.chosen[i])
            continue;
        if (result < 0) {
            report_not_tried(report, guests.names[i]);
        } else {
            course_next(&run.course, i);
            result = verify_guest(&run, guests.names[i], guests.points[i], err);
        }
    }
    if (result == 0 && options->domains.count == 0 && options->exclude_domains.count == 0)
        result = verify_orphans(&run, err);
    if (result < 0)
        ret_outcome->signal = quit_requested();
    else
        work_tell(&run.children.work, report);
    return result;
}
