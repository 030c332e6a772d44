/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/backup_sizes.h"

#include "base/cleanup.h"
#include "base/units.h"

struct sizes backup_sizes_of(const struct point *backup, const struct manifest_stored *stored)
{
    struct sizes sizes = {.image = stored->image.raw_size, .stored = stored->file.size};

    (void)points_item_usage(backup, stored, &sizes.usage, NULL);
    if (stored->place != PLACE_FILE)
        sizes.stored = sizes.usage;
    return sizes;
}

struct sizes backup_sizes_all(const struct point *backup)
{
    const struct manifest_stored *stored;
    struct sizes sum = {0};
    size_t cursor = 0;

    while ((stored = manifest_next_stored(points_manifest(backup), &cursor))) {
        struct sizes one = backup_sizes_of(backup, stored);
        sizes_add(&sum, &one);
    }
    return sum;
}

uint64_t backup_sizes_images(const struct point *backup)
{
    const struct manifest *manifest = points_manifest(backup);
    uint64_t sum = manifest->memory ? manifest->memory->image.raw_size : 0;

    for (size_t i = 0; i < manifest->disk_count; i++)
        if (!units_add(sum, manifest->disks[i].stored.image.raw_size, &sum))
            return 0;
    return sum;
}

uint64_t backup_sizes_expected(struct points_store *store, const char *guest, const char *id)
{
    CLEANUP(points_closep) struct point *backup = NULL;

    return points_open(store, guest, id, &backup, NULL) < 0 ? 0 : backup_sizes_images(backup);
}
