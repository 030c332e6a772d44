/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/place.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "base/array.h"

/* File systems that renumber their files at each mount, or more often. */
static const uint64_t without_lasting_inodes[] = {
    0x65735546, /* FUSE: sshfs and others */
    0x4d44,     /* vfat */
    0x2011bab0, /* exFAT */
    0xff534d42, /* CIFS */
    0xfe534d42, /* SMB 2 */
};

int place_of(const char *folder, struct place *ret)
{
    CLEANUP_CLOSE int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct file_id id;
    struct statfs fs;
    uint64_t filesystem = 0;

    if (fd < 0 || file_id_read(fd, &id, NULL) < 0 || fstatfs(fd, &fs) < 0)
        return -1;
    memcpy(&filesystem, &fs.f_fsid, sizeof(filesystem));
    *ret = (struct place){
        .folder = mem_strdup(folder),
        .id = id,
        .filesystem = filesystem,
        .type = (uint64_t)fs.f_type,
    };
    return 0;
}

void place_clear(struct place *place)
{
    free(place->folder);
    *place = (struct place){0};
}

static bool has_lasting_inodes(uint64_t type)
{
    for (size_t i = 0; i < ARRAY_COUNT(without_lasting_inodes); i++)
        if (type == without_lasting_inodes[i])
            return false;
    return true;
}

/* A device number may change at a reboot, and network file systems have none that means anything
 * (major 0). The identifier of some file systems is made from the device number. One match is
 * enough. */
static bool is_same_filesystem(const struct place *a, const struct place *b)
{
    return a->id.device == b->id.device || (a->filesystem && a->filesystem == b->filesystem) ||
           (major(a->id.device) == 0 && major(b->id.device) == 0);
}

static bool is_place_same(const struct place *a, const struct place *b)
{
    if (a->type != b->type)
        return false;
    if (!has_lasting_inodes(a->type))
        return is_same_filesystem(a, b);
    if (a->id.inode != b->id.inode)
        return false;
    return a->id.born && b->id.born ? a->id.born == b->id.born : is_same_filesystem(a, b);
}

enum place_state place_look(const struct place *place)
{
    struct place now = {0};

    if (place_of(place->folder, &now) < 0)
        return PLACE_MISSING;
    bool same = is_place_same(place, &now);
    place_clear(&now);
    return same ? PLACE_SAME : PLACE_OTHER;
}
