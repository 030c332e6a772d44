/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/private_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "base/array.h"
#include "base/dir.h"
#include "base/io.h"
#include "base/random.h"

#define PREFIX ".virt-backup-"
#define RANDOM_SIZE 16 /* bytes of the name that nobody can guess */
/* We never make anything deeper. */
#define MAX_DEPTH 8

char *private_folder_random_name(const char *suffix, struct err *err)
{
    char random[2 * RANDOM_SIZE + 1];

    if (random_hex(RANDOM_SIZE, random, err) < 0)
        return NULL;
    return mem_printf(PREFIX "%s%s", random, suffix);
}

int private_folder_plan(const char *parent, struct private_folder *ret, struct err *err)
{
    CLEANUP_PRIVATE_FOLDER struct private_folder folder = PRIVATE_FOLDER_INIT;

    if (io_open_dir(parent, &folder.parent_fd, err) < 0 ||
        file_id_read(folder.parent_fd, &folder.parent_id, err) < 0)
        return err_prefix(err, "%s", parent);
    folder.name = private_folder_random_name("", err);
    if (!folder.name)
        return -1;
    folder.parent = mem_strdup(parent);
    *ret = folder;
    folder = PRIVATE_FOLDER_INIT;
    return 0;
}

/* On these the owner of a file may differ from the user who made it. */
static bool maps_owners(int fd)
{
    static const unsigned long types[] = {
        NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, SMB2_SUPER_MAGIC,  CIFS_SUPER_MAGIC,  FUSE_SUPER_MAGIC,
        V9FS_MAGIC,      AFS_SUPER_MAGIC, MSDOS_SUPER_MAGIC, EXFAT_SUPER_MAGIC,
    };
    struct statfs st;

    if (fstatfs(fd, &st) < 0)
        return false;
    for (size_t i = 0; i < ARRAY_COUNT(types); i++)
        if ((unsigned long)st.f_type == types[i])
            return true;
    return false;
}

/* Does not follow a link, and refuses a folder that belongs to somebody else. */
static int open_own(int parent_fd, const char *name, int *ret_fd, struct err *err)
{
    CLEANUP_CLOSE int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set_errno(err, errno, "%s: cannot open the folder", name);
    if (st.st_uid != geteuid() && !maps_owners(fd))
        return err_set(err, ERR_DENIED, "%s: belongs to another user", name);
    *ret_fd = TAKE_FD(fd);
    return 0;
}

/* Somebody may have replaced the folder that was just made. */
static int check_new(int fd, struct err *err)
{
    CLEANUP_STRINGS struct strings names = {0};

    if (dir_list(fd, ".", &names, err) < 0)
        return -1;
    if (names.count)
        return err_set(err, ERR_EXISTS, "somebody else has put another folder in its place");
    return 0;
}

int private_folder_make(struct private_folder *folder, struct err *err)
{
    if (mkdirat(folder->parent_fd, folder->name, 0700) < 0)
        return err_set_errno(err, errno, "%s: cannot create a folder in it", folder->parent);
    if (open_own(folder->parent_fd, folder->name, &folder->fd, err) < 0 ||
        check_new(folder->fd, err) < 0 || file_id_read(folder->fd, &folder->id, err) < 0) {
        if (folder->fd >= 0)
            close(TAKE_FD(folder->fd));
        (void)unlinkat(folder->parent_fd, folder->name, AT_REMOVEDIR);
        return err_prefix(err, "%s", folder->parent);
    }
    return 0;
}

/* ---- out of it -------------------------------------------------------------------------- */

/* Another process may be watching, so what was made for the name is identified by its id. */
static int reserve_name(struct private_folder *folder, const char *name, bool is_folder,
                        struct file_id *ret, struct err *err)
{
    int dir_fd = folder->parent_fd;
    CLEANUP_CLOSE int fd = -1;

    if (is_folder && mkdirat(dir_fd, name, 0700) < 0)
        return err_set_errno(err, errno, "cannot reserve its name");
    fd = is_folder
             ? openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
             : openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set_errno(err, errno, "cannot reserve its name");
    if (file_id_read(fd, ret, err) < 0)
        return -1;
    folder->reserved_fd = TAKE_FD(fd);
    return 0;
}

static bool knows_no_links(int errnum)
{
    return errnum == EPERM || errnum == ENOTSUP || errnum == ENOSYS || errnum == EINVAL ||
           errnum == EMLINK;
}

/* True if it is done, successfully or not; false: the name has to be reserved. */
static bool link_over(const struct private_folder *folder, const char *name, int *ret_errno)
{
    struct file_id id;
    CLEANUP_CLOSE int fd = openat(folder->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

    *ret_errno = 0;
    if (linkat(folder->fd, name, folder->parent_fd, name, 0) < 0) {
        int failure = errno;
        if (knows_no_links(failure))
            return false;
        /* NFS may have done it, lost the answer and tried again. */
        bool done = failure == EEXIST && fd >= 0 && file_id_read(fd, &id, NULL) == 0 &&
                    file_id_is_at(folder->parent_fd, name, &id);
        *ret_errno = done ? 0 : failure;
    }
    if (*ret_errno == 0 && unlinkat(folder->fd, name, 0) < 0)
        *ret_errno = errno;
    return true;
}

int private_folder_publish(struct private_folder *folder, const char *name,
                           struct file_id *ret_reserved, struct err *err)
{
    struct stat st;
    int failure = 0;

    *ret_reserved = (struct file_id){0};
    if (renameat2(folder->fd, name, folder->parent_fd, name, RENAME_NOREPLACE) == 0)
        return 0;
    failure = errno;
    if ((failure == EINVAL || failure == ENOSYS || failure == ENOTSUP) &&
        fstatat(folder->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        bool is_folder = S_ISDIR(st.st_mode);
        if (is_folder || !link_over(folder, name, &failure))
            return reserve_name(folder, name, is_folder, ret_reserved, err);
    }
    if (failure == EEXIST)
        return err_set(err, ERR_EXISTS,
                       "somebody else has created a file of that name in the meantime");
    return failure ? err_set_errno(err, failure, "cannot rename it to its final name") : 0;
}

int private_folder_publish_over(struct private_folder *folder, const char *name,
                                const struct file_id *reserved, struct err *err)
{
    CLEANUP_CLOSE int fd = TAKE_FD(folder->reserved_fd);

    if (fd < 0 || !file_id_is_at(folder->parent_fd, name, reserved))
        return err_set(err, ERR_EXISTS, "somebody else has put another file in its place");
    if (renameat(folder->fd, name, folder->parent_fd, name) == 0)
        return 0;
    return err_set_errno(err, errno, "cannot rename it to its final name");
}

/* ---- its end ---------------------------------------------------------------------------- */

static int empty_folder(int fd, int depth, struct err *err);

static int remove_entry(int dir_fd, const char *name, int depth, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;

    if (unlinkat(dir_fd, name, 0) == 0)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return err_set_errno(err, errno, "%s: cannot remove it", name);
    fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, errno, "%s: cannot open it", name);
    if (empty_folder(fd, depth + 1, err) < 0)
        return err_prefix(err, "%s", name);
    if (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0)
        return err_set_errno(err, errno, "%s: cannot remove it", name);
    return 0;
}

static int empty_folder(int fd, int depth, struct err *err)
{
    CLEANUP_STRINGS struct strings names = {0};

    if (depth > MAX_DEPTH)
        return err_set(err, ERR_IO, "has too many levels of folders");
    if (dir_list(fd, ".", &names, err) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++)
        if (remove_entry(fd, names.items[i], depth, err) < 0)
            return -1;
    return 0;
}

int private_folder_remove_at(int parent_fd, const char *name, const struct file_id *id,
                             struct err *err)
{
    CLEANUP_CLOSE int fd = -1;
    struct file_id found;

    if (id->inode) {
        if (open_own(parent_fd, name, &fd, err) < 0)
            return -1;
        if (file_id_read(fd, &found, err) < 0)
            return err_prefix(err, "%s", name);
        if (!file_id_same(&found, id))
            return err_set(err, ERR_EXISTS, "%s: another folder is in its place", name);
        if (empty_folder(fd, 0, err) < 0)
            return err_prefix(err, "%s", name);
    }
    if (unlinkat(parent_fd, name, AT_REMOVEDIR) == 0)
        return 0;
    if (errno == ENOTEMPTY || errno == ENOTDIR)
        return err_set(err, ERR_EXISTS, "%s: something else is in its place", name);
    return err_set_errno(err, errno, "%s: cannot remove it", name);
}

int private_folder_remove(struct private_folder *folder, struct err *err)
{
    if (folder->fd < 0)
        return 0;
    if (private_folder_remove_at(folder->parent_fd, folder->name, &folder->id, err) < 0)
        return err_prefix(err, "%s", folder->parent);
    close(TAKE_FD(folder->fd));
    return 0;
}

void private_folder_clear(struct private_folder *folder)
{
    if (folder->fd >= 0)
        close(folder->fd);
    if (folder->parent_fd >= 0)
        close(folder->parent_fd);
    if (folder->reserved_fd >= 0)
        close(folder->reserved_fd);
    free(folder->parent);
    free(folder->name);
    *folder = PRIVATE_FOLDER_INIT;
}
