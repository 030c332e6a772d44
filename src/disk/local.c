/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/local.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"

static int check_local_path(const char *path, struct err *err)
{
    if (!path || path[0] != '/')
        return err_set(err, ERR_UNSUPPORTED, "not an absolute path of this host");
    return 0;
}

static int check_type(const struct stat *st, struct err *err)
{
    if (S_ISREG(st->st_mode) || S_ISBLK(st->st_mode))
        return 0;
    return err_set(err, ERR_UNSUPPORTED, "%s",
                   S_ISDIR(st->st_mode) ? "is a folder, not an image"
                                        : "is neither a file nor a block device");
}

static int find_size(struct local_file *file, struct err *err)
{
    file->block_device = S_ISBLK(file->st.st_mode);
    file->size = (uint64_t)file->st.st_size;
    if (file->block_device && ioctl(file->fd, BLKGETSIZE64, &file->size) < 0)
        return err_set_errno(err, errno, "cannot get the size of the device");
    return 0;
}

int local_open(const char *path, int flags, struct local_file *ret, struct err *err)
{
    CLEANUP_LOCAL struct local_file file = LOCAL_FILE_INIT;

    if (check_local_path(path, err) < 0)
        return -1;
    if (stat(path, &file.st) < 0)
        return err_set_errno(err, errno, "cannot open it");
    if (check_type(&file.st, err) < 0)
        return -1;
    file.fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file.fd < 0 && errno == EBUSY)
        return err_set(err, ERR_BUSY, "is mounted or used by something else on this host");
    if (file.fd < 0 || fstat(file.fd, &file.st) < 0)
        return err_set_errno(err, errno, "cannot open it");
    if (check_type(&file.st, err) < 0 || find_size(&file, err) < 0)
        return -1;
    *ret = file;
    file.fd = -1;
    return 0;
}

void local_close(struct local_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    if (file->folder_fd >= 0)
        close(file->folder_fd);
    free(TAKE_PTR(file->name));
    file->fd = file->folder_fd = -1;
}

static int open_folder_of(const char *path, int *ret_fd, struct err *err)
{
    CLEANUP_FREE char *folder = mem_strdup(path);
    char *slash = strrchr(folder, '/');

    slash[slash == folder] = '\0';
    return io_open_dir(folder, ret_fd, err);
}

int local_create(const char *path, int folder_fd, struct local_file *ret, struct err *err)
{
    CLEANUP_LOCAL struct local_file file = LOCAL_FILE_INIT;

    if (check_local_path(path, err) < 0)
        return -1;
    if (folder_fd < 0 && open_folder_of(path, &file.folder_fd, err) < 0)
        return -1;
    if (folder_fd >= 0)
        file.folder_fd = fcntl(folder_fd, F_DUPFD_CLOEXEC, 0);
    file.name = mem_strdup(strrchr(path, '/') + 1);
    file.fd =
        openat(file.folder_fd, file.name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file.fd < 0 && errno == EEXIST)
        return err_set(err, ERR_EXISTS, "already exists and is not overwritten");
    if (file.fd < 0)
        return err_set_errno(err, errno, "cannot create it");
    if (fstat(file.fd, &file.st) < 0)
        return err_set_errno(err, errno, "cannot stat it");
    *ret = file;
    file = LOCAL_FILE_INIT;
    return 0;
}

bool local_is_in_place(const struct local_file *file)
{
    struct stat st;

    return fstatat(file->folder_fd, file->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           st.st_dev == file->st.st_dev && st.st_ino == file->st.st_ino;
}

void local_unlink(const struct local_file *file)
{
    if (file->fd >= 0 && local_is_in_place(file) && unlinkat(file->folder_fd, file->name, 0) < 0)
        log_warn("%s: cannot remove the unfinished file: %s", file->name, strerror(errno));
}

int local_sync_folder(const struct local_file *file, struct err *err)
{
    if (io_sync_dir(file->folder_fd, err) < 0)
        return err_prefix(err, "its folder");
    return 0;
}

bool local_can_direct(int folder_fd, const char *path)
{
    CLEANUP_CLOSE int fd = openat(folder_fd < 0 ? AT_FDCWD : folder_fd, path,
                                  O_RDONLY | O_DIRECT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    return fd >= 0;
}
