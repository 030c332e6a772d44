/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The disks of a guest that is down. If one has been written to, the guest has been started since its
 * memory was saved, though nobody saw it, and the memory must not be restored over it. QEMU's reading of
 * an image, and its locks, leave the time of its last change alone. That time must survive a power cut, too;
 * the guest's own flushes need not have stored it.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ops/undo/intent_private.h"

static bool stamp_of_disk(const char *path, uint64_t *ret_size, uint64_t *ret_modified)
{
    struct stat st;

    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return false;
    *ret_size = (uint64_t)st.st_size;
    *ret_modified =
        (uint64_t)st.st_mtim.tv_sec * UINT64_C(1000000000) + (uint64_t)st.st_mtim.tv_nsec;
    return true;
}

/* A disk whose time is not on disk is not noted: an older one after a power cut would look like a change. */
static bool flush_and_look(const char *path, uint64_t *ret_size, uint64_t *ret_modified)
{
    if (!stamp_of_disk(path, ret_size, ret_modified))
        return false;
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0 && stamp_of_disk(path, ret_size, ret_modified);
}

struct intent_disk *intent_list_add_disk(struct intent_disks *list, const char *path)
{
    list->disks = mem_resize(list->disks, list->count + 1, sizeof(*list->disks));
    list->disks[list->count] = (struct intent_disk){.path = mem_strdup(path)};
    return &list->disks[list->count++];
}

void intent_list_clear_disks(struct intent_disks *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->disks[i].path);
    free(list->disks);
}

void intent_add_disk(struct intent *intent, const char *path)
{
    struct intent_disk now;

    if (!flush_and_look(path, &now.size, &now.modified))
        return;
    struct intent_disk *disk = intent_list_add_disk((struct intent_disks *)&intent->disks, path);
    disk->size = now.size;
    disk->modified = now.modified;
}

void intent_renew_disks(struct intent *intent)
{
    for (size_t i = 0; i < intent->disk_count; i++)
        (void)flush_and_look(intent->disks[i].path, &intent->disks[i].size,
                             &intent->disks[i].modified);
}

const char *intent_written_disk(const struct intent *intent)
{
    for (size_t i = 0; i < intent->disk_count; i++) {
        const struct intent_disk *disk = &intent->disks[i];
        struct intent_disk now;
        if (stamp_of_disk(disk->path, &now.size, &now.modified) &&
            (now.size != disk->size || now.modified != disk->modified))
            return disk->path;
    }
    return NULL;
}
