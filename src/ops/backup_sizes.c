/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/backup_sizes.h"

#include "base/cleanup.h"
#include "base/units.h"

struct sizes backup_sizes_of(const struct archive_backup *backup,
                             const struct manifest_stored *stored)
{
    CLEANUP_CLOSE int fd = -1;
    struct sizes sizes = {.image = stored->image.raw_size, .stored = stored->file.size};

    if (archive_backup_open_file(backup, stored, &fd, NULL) == 0)
        sizes.usage = sizes_usage(fd, stored->file.size);
    return sizes;
}

struct sizes backup_sizes_all(const struct archive_backup *backup)
{
    const struct manifest_stored *stored;
    struct sizes sum = {0};
    size_t cursor = 0;

    while ((stored = manifest_next_stored(archive_backup_manifest(backup), &cursor))) {
        struct sizes one = backup_sizes_of(backup, stored);
        sizes_add(&sum, &one);
    }
    return sum;
}

uint64_t backup_sizes_images(const struct archive_backup *backup)
{
    const struct manifest *manifest = archive_backup_manifest(backup);
    uint64_t sum = manifest->memory ? manifest->memory->image.raw_size : 0;

    for (size_t i = 0; i < manifest->disk_count; i++)
        if (!units_add(sum, manifest->disks[i].stored.image.raw_size, &sum))
            return 0;
    return sum;
}

uint64_t backup_sizes_expected(struct archive_reader *archive, const char *guest)
{
    CLEANUP(archive_backup_closep) struct archive_backup *backup = NULL;

    return archive_backup_open(archive, guest, &backup, NULL) < 0 ? 0 : backup_sizes_images(backup);
}
