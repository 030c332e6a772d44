/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A checkpoint is worth something only together with a backup that it can be continued from. It
 * must not outlive a backup that fails, and must outlive one that does not. So it is in the journal
 * before it is made, and leaves the journal when the backup is committed. In between is the moment
 * in which only the place of the backup knows whether it is committed: a checkpoint that is left
 * over then does no harm, since the next backup there deletes those of ours that it does not know,
 * while one that is deleted by mistake would cost reading everything.
 */
#include "ops/backup/capture_checkpoint.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"

enum capture_record capture_recordable(const struct source_disk *disk)
{
    if (!disk->local)
        return CAPTURE_NOT_LOCAL;
    if (disk->readonly)
        return CAPTURE_READ_ONLY;
    if (strcmp(disk->format, "qcow2") != 0)
        return CAPTURE_NOT_QCOW2;
    if (disk->info.snapshots)
        return CAPTURE_SNAPSHOTS;
    for (size_t i = 0; i < disk->info.option_count; i++)
        if (strcmp(disk->info.options[i].name, "compat") == 0 &&
            text_same(disk->info.options[i].value, "0.10"))
            return CAPTURE_OLD_QCOW2;
    return CAPTURE_RECORDS;
}

static void drop_since(struct capture_track *track)
{
    track->since = NULL;
    track->state = GUEST_CHECKPOINT_ABSENT;
}

/* Then nothing else that is asked of libvirt will be answered. */
static bool is_lost(const struct capture_request *request, const struct err *err)
{
    return err->errnum == ETIMEDOUT || err->kind == ERR_CANCELLED ||
           !request->calls->undo->alive(request->hypervisor);
}

/* One that is not sound is not asked for: it would make libvirt refuse the job of all disks. Nor is one
 * of which libvirt cannot tell, as where a hypervisor has no checkpoints. */
static int settle_since(const struct capture_request *request, size_t disk, struct err *err)
{
    struct capture_track *track = &request->tracks[disk];
    const struct strings target = {&request->source->disks[disk].target, 1};
    const struct guest_checkpoint checkpoint = {track->since, &target};
    CLEANUP_ERR struct err validate_err = ERR_INIT;

    if (request->calls->validate(request->guest, &checkpoint, &track->state, &validate_err) < 0) {
        if (is_lost(request, &validate_err))
            return err_move(err, &validate_err);
        log_detail("guest '%s': disk '%s' is read whole: %s", request->name,
                   request->source->disks[disk].target, validate_err.text);
        drop_since(track);
    }
    if (track->state == GUEST_CHECKPOINT_BROKEN || track->state == GUEST_CHECKPOINT_ABSENT)
        track->since = NULL;
    return 0;
}

int capture_settle_tracks(const struct capture_request *request, struct err *err)
{
    bool safe = true;

    if (!request->tracks)
        return 0;
    if (request->owner && request->calls->is_safe(request->guest, &safe, err) < 0)
        return -1;
    for (size_t i = 0; i < request->source->disk_count; i++) {
        struct capture_track *track = &request->tracks[i];
        track->recordable =
            safe ? capture_recordable(&request->source->disks[i]) : CAPTURE_SNAPSHOTS;
        track->record = track->record && request->owner && track->recordable == CAPTURE_RECORDS;
        bool off = request->mode == CAPTURE_OFFLINE;
        if (track->since && track->recordable == CAPTURE_READ_ONLY)
            drop_since(track);
        if (track->since && !off && settle_since(request, i, err) < 0)
            return -1;
    }
    return 0;
}

int capture_settle_images(const struct capture_request *request, struct err *err)
{
    for (size_t i = 0; request->tracks && i < request->source->disk_count; i++) {
        struct capture_track *track = &request->tracks[i];
        enum disk_bitmap_state state = DISK_BITMAP_ABSENT;
        if (!track->since)
            continue;
        if (track->recordable == CAPTURE_RECORDS &&
            request->calls->bitmap_look(request->source->disks[i].path, track->since, &state, err) <
                0)
            return -1;
        if (state != DISK_BITMAP_SOUND)
            track->since = NULL;
        track->state = state == DISK_BITMAP_SOUND    ? GUEST_CHECKPOINT_FOUND
                       : state == DISK_BITMAP_BROKEN ? GUEST_CHECKPOINT_BROKEN
                                                     : GUEST_CHECKPOINT_ABSENT;
    }
    return 0;
}

int capture_name_checkpoint(struct capture *capture, struct err *err)
{
    const struct capture_request *request = &capture->request;
    struct intent *intent = &capture->intent;

    for (size_t i = 0; request->tracks && i < request->source->disk_count; i++) {
        const struct source_disk *disk = &request->source->disks[i];
        if (!request->tracks[i].record)
            continue;
        strings_add(&intent->recorded, disk->target);
        strings_add(&intent->checkpoint_images, disk->path);
    }
    if (intent->recorded.count == 0)
        return 0;
    return guest_checkpoint_name(request->owner, &intent->checkpoint, err);
}

/* If somebody else reads the image, a guest over another image that is based on it, say, it can be
 * read, but not be given a bitmap. */
static int add_bitmap_of(const struct capture *capture, size_t disk, struct strings *added,
                         struct err *err)
{
    const struct capture_request *request = &capture->request;
    const struct source_disk *source = &request->source->disks[disk];
    CLEANUP_ERR struct err add_err = ERR_INIT;

    if (request->calls->bitmap_add(source->path, capture->intent.checkpoint, &add_err) == 0) {
        strings_add(added, source->target);
        return 0;
    }
    if (add_err.kind == ERR_CANCELLED)
        return err_move(err, &add_err);
    request->tracks[disk].record = false;
    request->tracks[disk].recordable = CAPTURE_NO_BITMAP;
    log_detail("guest '%s': the next backup reads all of disk %s: %s", capture->intent.name,
               source->target, add_err.text);
    return 0;
}

int capture_add_bitmaps(struct capture *capture, struct err *err)
{
    const struct capture_request *request = &capture->request;
    CLEANUP_STRINGS struct strings added = {0};
    CLEANUP_ERR struct err record_err = ERR_INIT;

    for (size_t i = 0; i < request->source->disk_count; i++)
        if (request->tracks[i].record && add_bitmap_of(capture, i, &added, err) < 0)
            return -1;
    /* Without a record of libvirt's, which the next backup makes, the bitmaps are as good. */
    const struct guest_checkpoint checkpoint = {capture->intent.checkpoint, &added};
    if (added.count > 0 && request->calls->record(request->guest, &checkpoint, &record_err) < 0)
        log_detail("guest '%s': libvirt has no record of its checkpoint: %s", capture->intent.name,
                   record_err.text);
    return 0;
}

int capture_commit_begin(struct capture *capture, struct err *err)
{
    if (!capture->intent.checkpoint)
        return 0;
    capture->intent.committing = true;
    if (intent_write(capture->request.state_fd, &capture->intent, err) == 0)
        return 0;
    capture->intent.committing = false; /* nothing will be committed */
    return -1;
}

/* ---- those of former backups ----------------------------------------------------------------- */

/* What could not be deleted: the first of it, since one that stays must not keep the others. */
static int note_failure(struct err *first, struct err *failure)
{
    if (first->kind != ERR_NONE)
        return -1;
    return err_move(first, failure);
}

/* Of all images of the guest, which is off. If it is started now, they are in use, and the next backup does
 * it. */
static int remove_bitmaps_of(const struct capture *capture, const char *name, struct err *err)
{
    const struct capture_request *request = &capture->request;
    CLEANUP_ERR struct err first = ERR_INIT;

    for (size_t i = 0; i < request->source->disk_count; i++) {
        const struct source_disk *disk = &request->source->disks[i];
        CLEANUP_ERR struct err remove_err = ERR_INIT;
        if (disk->local && strcmp(disk->format, "qcow2") == 0 &&
            request->calls->undo->bitmap_remove(disk->path, name, &remove_err) < 0)
            note_failure(&first, &remove_err);
    }
    return first.kind == ERR_NONE ? 0 : err_move(err, &first);
}

/* Bitmaps that libvirt has no record of are in the images of a guest that is off, and of one that is not
 * defined, whose records are gone whenever it has been off. */
static bool may_have_unrecorded(const struct capture *capture)
{
    return capture->request.mode == CAPTURE_OFFLINE || !capture->intent.persistent;
}

static int list_former(const struct capture *capture, struct strings *names, struct err *err)
{
    const struct capture_request *request = &capture->request;

    if (request->calls->list(request->guest, request->owner, names, err) < 0)
        return -1;
    for (size_t i = 0; may_have_unrecorded(capture) && i < request->source->disk_count; i++) {
        const struct source_disk *disk = &request->source->disks[i];
        CLEANUP_STRINGS struct strings bitmaps = {0};
        if (!disk->local || strcmp(disk->format, "qcow2") != 0)
            continue;
        if (request->calls->bitmap_list(disk->path, &bitmaps, err) < 0)
            return -1;
        for (size_t j = 0; j < bitmaps.count; j++)
            if (guest_checkpoint_is_ours(bitmaps.items[j], request->owner) &&
                !strings_has(names, bitmaps.items[j]))
                strings_add(names, bitmaps.items[j]);
    }
    return 0;
}

/* Of a guest that is off, libvirt's record goes last: by it a backup that finds the guest running finds
 * bitmaps that are left. */
static int delete_one_former(const struct capture *capture, const char *name, struct err *err)
{
    const struct capture_request *request = &capture->request;
    const struct guest_checkpoint former = {name, &capture->intent.recorded};
    bool off = request->mode == CAPTURE_OFFLINE;
    bool ended = false;

    if (off && remove_bitmaps_of(capture, name, err) < 0)
        return -1;
    if (request->calls->undo->checkpoint_delete(request->guest, &former, &ended, err) < 0)
        return -1;
    return ended && !off ? remove_bitmaps_of(capture, name, err) : 0;
}

/* The next increment continues the backup that is now committed. If it does not work, the next backup
 * tries it again. */
static int delete_former(const struct capture *capture, struct err *err)
{
    const struct intent *intent = &capture->intent;
    CLEANUP_STRINGS struct strings names = {0};
    CLEANUP_ERR struct err first = ERR_INIT;

    if (list_former(capture, &names, err) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++) {
        CLEANUP_ERR struct err delete_err = ERR_INIT;
        if (!text_same(names.items[i], intent->checkpoint) &&
            delete_one_former(capture, names.items[i], &delete_err) < 0)
            note_failure(&first, &delete_err);
        if (first.errnum == ETIMEDOUT)
            break;
    }
    return first.kind == ERR_NONE ? 0 : err_move(err, &first);
}

void capture_commit_end(struct capture *capture, bool committed)
{
    bool followed = capture->request.owner && capture->request.tracks;
    CLEANUP_ERR struct err err = ERR_INIT;

    if (committed && followed && delete_former(capture, &err) < 0)
        log_detail("guest '%s': its former checkpoints are not deleted yet: %s",
                   capture->intent.name, err.text);
    if (committed)
        intent_forget_checkpoint(&capture->intent);
    capture->intent.committing = false;
}
