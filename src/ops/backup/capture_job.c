/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/backup/capture_job.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/units.h"
#include "guest/definition/definition.h"
#include "ops/backup/capture_checkpoint.h"

/* ---- scratch files ----------------------------------------------------------------------------- */

/* libvirt gives whatever is at a scratch file's path to QEMU's user, and QEMU writes to it: besides
 * us only that user may be able to change the folder. */
int capture_job_folder(const char *scratch_path, const char *private_folder, char **ret,
                       struct err *err)
{
    struct stat st;

    if (!scratch_path) {
        *ret = mem_strdup(private_folder);
        return 0;
    }
    if (stat(private_folder, &st) < 0)
        return err_set_errno(err, errno, "%s", private_folder);
    if (staging_check_hands(scratch_path, st.st_uid, ret, err) == 0)
        return 0;
    err_prefix(err, "--scratch-path");
    return err && err->kind == ERR_DENIED
               ? err_append(err, "name a folder that, like all folders above it, only root and "
                                 "QEMU's user can change")
               : -1;
}

int capture_job_check_room(const char *folder, uint64_t image_size, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;
    uint64_t needed = scratch_watch_needed(image_size);
    uint64_t room = 0;
    char needed_text[UNITS_TEXT_SIZE];
    char room_text[UNITS_TEXT_SIZE];

    if (io_open_dir(folder, &fd, err) < 0 || io_free_space(fd, &room, err) < 0)
        return err_prefix(err, "%s", folder);
    if (room >= needed)
        return 0;
    return err_set(err, ERR_NO_SPACE,
                   "%s has %s free, but what the guest overwrites while its disks are read may "
                   "take %s; make room, or name another folder with --scratch-path",
                   folder, units_format_size(room, room_text),
                   units_format_size(needed, needed_text));
}

int capture_job_name(struct capture *capture, char **ret_folder, struct err *err)
{
    const struct capture_request *request = &capture->request;
    CLEANUP_FREE char *private_folder = NULL;
    CLEANUP_FREE char *folder = NULL;
    struct intent *intent = &capture->intent;

    if (request->calls->private_folder(request->guest, &private_folder, err) < 0 ||
        capture_job_folder(request->scratch_path, private_folder, &folder, err) < 0 ||
        capture_job_check_room(folder, request->source->image_size, err) < 0)
        return -1;
    intent->socket = mem_printf("%s/vb-%ld.sock", private_folder, (long)getpid());
    for (size_t i = 0; i < request->source->disk_count; i++) {
        CLEANUP_FREE char *path = mem_printf("%s/vb-%ld-%.8s-%s.scratch", folder, (long)getpid(),
                                             intent->uuid, request->source->disks[i].target);
        intent_add_scratch(intent, path);
    }
    if (capture_name_checkpoint(capture, err) < 0)
        return -1;
    *ret_folder = TAKE_PTR(folder);
    return 0;
}

static const struct capture_track *track_of(const struct capture *capture, size_t disk)
{
    static const struct capture_track none = {0};
    const struct capture_request *request = &capture->request;

    return request->tracks ? &request->tracks[disk] : &none;
}

static void describe_job_disk(const struct capture *capture, struct guest_backup_disk *disk)
{
    const struct source *source = capture->request.source;

    for (size_t i = 0; i < source->disk_count; i++)
        if (strcmp(source->disks[i].target, disk->target) == 0) {
            disk->scratch = capture->intent.scratch[i];
            disk->since = track_of(capture, i)->since;
            disk->record = track_of(capture, i)->record;
        }
}

/* libvirt does not say which of the bitmaps it could not use after all. False: none was asked for. */
static bool drop_increments(struct capture *capture, struct guest_backup_disk *disks, size_t count)
{
    const struct capture_request *request = &capture->request;
    bool any = false;

    for (size_t i = 0; i < count; i++)
        disks[i].since = NULL;
    for (size_t i = 0; request->tracks && i < request->source->disk_count; i++) {
        struct capture_track *track = &request->tracks[i];
        if (!track->since)
            continue;
        any = true;
        track->since = NULL;
        track->state = GUEST_CHECKPOINT_BROKEN;
    }
    return any;
}

/* Every disk of the guest must be in the job's list, or libvirt includes it by itself. */
int capture_job_begin(struct capture *capture, struct err *err)
{
    const struct source *source = capture->request.source;
    CLEANUP_DEFINITION_DISKS struct definition_disks all = {0};

    if (source->disk_count == 0)
        return 0; /* libvirt refuses a job without disks */
    if (definition_read_disks(source->live, &all, err) < 0)
        return -1;
    CLEANUP_FREE struct guest_backup_disk *disks = mem_array(all.count, sizeof(*disks));
    for (size_t i = 0; i < all.count; i++) {
        disks[i].target = all.disks[i].target;
        describe_job_disk(capture, &disks[i]);
    }
    const struct guest_backup backup = {
        .socket = capture->intent.socket,
        .disks = disks,
        .disk_count = all.count,
        .checkpoint = capture->intent.checkpoint,
    };
    CLEANUP_ERR struct err begin_err = ERR_INIT;
    if (capture->request.calls->backup_begin(capture->request.guest, &backup, &begin_err) == 0)
        return 0;
    if (begin_err.kind != ERR_NOT_FOUND || !drop_increments(capture, disks, all.count))
        return err_move(err, &begin_err);
    log_detail("guest '%s': all of its disks is read: %s", capture->intent.name, begin_err.text);
    return capture->request.calls->backup_begin(capture->request.guest, &backup, err);
}

int capture_job_watch(struct capture *capture, const char *folder, struct err *err)
{
    if (capture->request.source->disk_count == 0)
        return 0;
    const struct scratch_watch_request request = {
        .hypervisor = capture->request.hypervisor,
        .watch = capture->watch,
        .uuid = capture->intent.uuid,
        .socket = capture->intent.socket,
        .folder = folder,
        .was_running = capture->intent.was_running,
    };

    return capture->request.calls->scratch_begin(&request, &capture->scratch, err);
}
