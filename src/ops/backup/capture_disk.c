/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Disks of a captured guest. The guardian must be able to end whatever is opened here.
 */
#include "ops/backup/capture.h"

/* The checkpoint since which only what was written is read; NULL: all is read. */
static const char *since_of(const struct capture_request *request, const struct source_disk *disk)
{
    return request->tracks ? request->tracks[disk - request->source->disks].since : NULL;
}

/* Of an image that the guest could not start with while we have it. */
static int open_disk_image(const struct capture_request *request, const struct source_disk *disk,
                           struct disk_reader **ret, struct err *err)
{
    CLEANUP(disk_reader_closep) struct disk_reader *reader = NULL;
    const char *since = since_of(request, disk);

    int opened = since ? disk_reader_open_since(disk->path, since, &reader, err)
                       : disk_reader_open(disk->path, disk->format, &reader, err);
    if (opened < 0)
        return -1;
    if (request->mode == CAPTURE_SAVE && guardian_hold(request->guardian, reader, err) < 0)
        return -1;
    *ret = TAKE_PTR(reader);
    return 0;
}

static int open_export(const struct capture *capture, const struct source_disk *disk,
                       struct disk_reader **ret, struct err *err)
{
    const struct capture_request *request = &capture->request;
    struct disk_export export = {
        .path = disk->path ? disk->path : disk->target,
        .name = disk->target,
        .bitmap = since_of(request, disk) ? GUEST_BACKUP_BITMAP : NULL,
    };

    if (guardian_connect(capture->request.guardian, capture->intent.socket, &export.socket, err) <
        0)
        return err_prefix(err, "%s", export.path);
    return disk_reader_open_export(&export, ret, err);
}

int capture_open_disk(struct capture *capture, const struct source_disk *disk,
                      struct disk_reader **ret, struct err *err)
{
    if (!capture_has_exports(capture->request.mode))
        return open_disk_image(&capture->request, disk, ret, err);
    scratch_watch_lock(capture->scratch);
    int result = open_export(capture, disk, ret, err);
    if (result == 0)
        scratch_watch_set_reader(capture->scratch, *ret);
    scratch_watch_unlock(capture->scratch);
    return result;
}

void capture_close_disk(struct capture *capture, struct disk_reader *reader)
{
    if (capture->scratch) {
        scratch_watch_lock(capture->scratch);
        scratch_watch_set_reader(capture->scratch, NULL);
        disk_reader_close(reader);
        scratch_watch_unlock(capture->scratch);
    } else {
        disk_reader_close(reader);
    }
    guardian_drop(capture->request.guardian);
}
