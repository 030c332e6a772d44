/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a guest will give to back up, before its turn.
 */
#include "ops/backup/guest.h"

#include <sys/stat.h>

#include "base/units.h"
#include "ops/backup/source.h"

/* QEMU leaves out memory that was never used, so it is the most that there can be. */
static uint64_t memory_volume(const struct backup_run *run, const struct source *source)
{
    struct stat st;

    if (source->managed_save)
        return stat(source->managed_save, &st) == 0 ? (uint64_t)st.st_size : 0;
    return run->options->guest_memory == GUEST_MEMORY_NONE ? 0 : source->memory_size;
}

uint64_t backup_survey_guest(const struct backup_run *run, struct guest *guest)
{
    CLEANUP_SOURCE struct source source = {0};
    const struct source_request request = {
        .exports = true,
        .exclude_disks = &run->options->exclude_disks,
        .destination = run->options->destination.path,
    };
    uint64_t volume = 0;

    /* What is wrong with it is reported when its turn comes. */
    if (source_gather(run->hypervisor, guest, &request, &source, NULL) < 0 ||
        !units_add(source.image_size, memory_volume(run, &source), &volume))
        return 0;
    return volume;
}
