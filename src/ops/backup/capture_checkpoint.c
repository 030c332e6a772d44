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

#include <string.h>

#include "base/log.h"
#include "base/text.h"

enum capture_record capture_recordable(const struct source_disk *disk)
{
    if (!disk->local)
        return CAPTURE_NOT_LOCAL;
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

/* One that is not sound is not asked for: it would make libvirt refuse the job of all disks. */
static int settle_since(const struct capture_request *request, size_t disk, struct err *err)
{
    struct capture_track *track = &request->tracks[disk];
    const struct strings target = {&request->source->disks[disk].target, 1};
    const struct guest_checkpoint checkpoint = {track->since, &target};

    if (request->calls->validate(request->guest, &checkpoint, &track->state, err) < 0)
        return -1;
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
    return intent_write(capture->request.state_fd, &capture->intent, err);
}

/* libvirt does that only while the guest runs. If it is started now, the next backup does it. */
static int delete_former_bitmaps(const struct capture *capture, struct err *err)
{
    const struct capture_request *request = &capture->request;

    for (size_t i = 0; i < request->source->disk_count; i++) {
        const struct source_disk *disk = &request->source->disks[i];
        CLEANUP_STRINGS struct strings names = {0};
        if (!disk->local || strcmp(disk->format, "qcow2") != 0)
            continue;
        if (request->calls->bitmap_list(disk->path, &names, err) < 0)
            return -1;
        for (size_t j = 0; j < names.count; j++)
            if (guest_checkpoint_is_ours(names.items[j], request->owner) &&
                !text_same(names.items[j], capture->intent.checkpoint) &&
                request->calls->undo->bitmap_remove(disk->path, names.items[j], err) < 0)
                return -1;
    }
    return 0;
}

/* The next increment continues the backup that is now committed. If it does not work, the next backup
 * tries it again. */
static int delete_former(const struct capture *capture, struct err *err)
{
    const struct capture_request *request = &capture->request;
    const struct intent *intent = &capture->intent;
    CLEANUP_STRINGS struct strings names = {0};
    bool off = request->mode == CAPTURE_OFFLINE;

    if (request->calls->list(request->guest, request->owner, &names, err) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++) {
        const struct guest_checkpoint former = {names.items[i], &intent->recorded};
        if (!text_same(names.items[i], intent->checkpoint) &&
            request->calls->undo->checkpoint_delete(request->guest, &former, &off, err) < 0)
            return -1;
    }
    return off ? delete_former_bitmaps(capture, err) : 0;
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
