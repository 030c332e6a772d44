/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The places that the files had when they were backed up.
 */
#include "ops/restore/placement.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A missing folder is not made: it may be on a file system that is not mounted. */
static int check_original_folder(const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    CLEANUP_FREE char *folder = mem_strndup(path, slash > path ? (size_t)(slash - path) : 1);
    struct stat st;

    if (stat(folder, &st) < 0 && errno == ENOENT)
        return err_set(err, ERR_NOT_FOUND,
                       "%s: the folder %s is missing; mount its file system, or make it", path,
                       folder);
    if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) < 0)
        return err_set_errno(err, errno, "%s: cannot write to the folder %s", path, folder);
    return 0;
}

bool placement_replaces(const struct placement *placement, const char *path)
{
    for (size_t i = 0; i < placement->replaced.count; i++)
        if (strcmp(placement->replaced.items[i], path) == 0)
            return true;
    return false;
}

int placement_take_original(const struct restore_options *options, const char *path,
                            struct placement *placement, struct err *err)
{
    struct stat st;

    if (*path != '/')
        return err_set(err, ERR_UNSUPPORTED, "'%s' is not a file of this host", path);
    if (check_original_folder(path, err) < 0)
        return -1;
    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : err_set_errno(err, errno, "%s: cannot stat it", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_EXISTS, "%s is %s, and is not replaced; move it away", path,
                       S_ISLNK(st.st_mode) ? "a symbolic link" : "not a regular file");
    if (!options->overwrite) {
        err_set(err, ERR_EXISTS, "%s already exists; use --overwrite to replace it", path);
        return err_note_remedy(err, ERR_REMEDY_OVERWRITE);
    }
    strings_add(&placement->replaced, path);
    return 0;
}

static bool was_block_device(const struct manifest_disk *disk)
{
    struct stat st;

    return strcmp(disk->type, "block") == 0 || strncmp(disk->path, "/dev/", 5) == 0 ||
           (stat(disk->path, &st) == 0 && S_ISBLK(st.st_mode));
}

int placement_original_disk(const struct restore_options *options, const char *guest,
                            const struct manifest_disk *disk, struct placement *placement,
                            struct err *err)
{
    if (strcmp(disk->type, "network") == 0 || *disk->path != '/')
        return err_set(err, ERR_UNSUPPORTED,
                       "it was on the network (%s), where a restore cannot write; "
                       "--disk-map %s:%s=PATH gives it another place",
                       disk->path, guest, disk->target);
    if (was_block_device(disk))
        return err_set(err, ERR_EXISTS,
                       "it was on the block device %s, whose contents cannot be brought back once "
                       "they are overwritten; to write to it, name it: --disk-map %s:%s=%s",
                       disk->path, guest, disk->target, disk->path);
    return placement_take_original(options, disk->path, placement, err);
}
