/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/cleanup.h"
#include "base/units.h"

/* One system call never moves more than this on Linux. */
#define MAX_TRANSFER ((size_t)0x7ffff000)

static size_t transfer_len(size_t len)
{
    return len < MAX_TRANSFER ? len : MAX_TRANSFER;
}

int io_read_some(int fd, void *data, size_t len, size_t *ret_len, struct err *err)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = read(fd, (uint8_t *)data + done, transfer_len(len - done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set_errno(err, errno, "cannot read");
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *ret_len = done;
    return 0;
}

int io_pread_some(int fd, void *data, size_t len, uint64_t offset, size_t *ret_len, struct err *err)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n =
            pread(fd, (uint8_t *)data + done, transfer_len(len - done), (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set_errno(err, errno, "cannot read at byte %llu",
                                 (unsigned long long)(offset + done));
        if (n == 0)
            break;
        done += (size_t)n;
    }
    *ret_len = done;
    return 0;
}

int io_pread(int fd, void *data, size_t len, uint64_t offset, struct err *err)
{
    size_t done = 0;

    if (io_pread_some(fd, data, len, offset, &done, err) < 0)
        return -1;
    if (done < len)
        return err_set(err, ERR_CORRUPT, "ends too early: %zu bytes are missing at byte %llu",
                       len - done, (unsigned long long)(offset + done));
    return 0;
}

int io_write(int fd, const void *data, size_t len, struct err *err)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = write(fd, (const uint8_t *)data + done, transfer_len(len - done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set_errno(err, errno, "cannot write");
        done += (size_t)n;
    }
    return 0;
}

int io_pwrite(int fd, const void *data, size_t len, uint64_t offset, struct err *err)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = pwrite(fd, (const uint8_t *)data + done, transfer_len(len - done),
                           (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set_errno(err, errno, "cannot write at byte %llu",
                                 (unsigned long long)(offset + done));
        done += (size_t)n;
    }
    return 0;
}

int io_read_file(int dir_fd, const char *name, size_t max, char **ret_data, size_t *ret_len,
                 struct err *err)
{
    CLEANUP_CLOSE int fd = -1;
    struct stat st;
    size_t len = 0;

    if (io_open_in(dir_fd, name, O_RDONLY, 0, &fd, err) < 0)
        return -1;
    if (fstat(fd, &st) < 0)
        return err_set_errno(err, errno, "cannot stat the file");
    if (st.st_size < 0 || (uint64_t)st.st_size > max)
        return err_set(err, ERR_CORRUPT, "is larger than the limit of %zu bytes", max);
    size_t size = (size_t)st.st_size;
    CLEANUP_FREE char *data = mem_alloc(size + 1);
    if (io_read_some(fd, data, size, &len, err) < 0)
        return -1;
    data[len] = '\0';
    *ret_len = len;
    *ret_data = TAKE_PTR(data);
    return 0;
}

int io_read_made_up(const char *path, size_t max, char **ret_text, struct err *err)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    CLEANUP_FREE char *text = NULL;
    size_t len = 0;

    if (fd < 0)
        return err_set_errno(err, errno, "%s: cannot open", path);
    for (size_t cap = 4096, more = cap; more > 0; cap *= 2) {
        if (len > max)
            return err_set(err, ERR_CORRUPT, "%s: is larger than the limit of %zu bytes", path,
                           max);
        text = mem_resize(text, cap + 1, 1);
        if (io_read_some(fd, text + len, cap - len, &more, err) < 0)
            return err_prefix(err, "%s", path);
        len += more;
    }
    text[len] = '\0';
    *ret_text = TAKE_PTR(text);
    return 0;
}

int io_open_in(int dir_fd, const char *name, int flags, mode_t mode, int *ret_fd, struct err *err)
{
    struct stat st;

    if (*name == '\0' || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return err_set(err, ERR_CORRUPT, "'%s' is not a plain file name", name);
    /* O_NONBLOCK: if somebody planted a FIFO under this name, we must not wait forever. */
    CLEANUP_CLOSE int fd =
        openat(dir_fd, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, mode);
    if (fd < 0 && errno == ELOOP)
        return err_set(err, ERR_CORRUPT, "is a symbolic link");
    /* ENXIO is said of a socket, and of a FIFO that nobody reads: open(2). */
    if (fd < 0 && errno == ENXIO)
        return err_set(err, ERR_CORRUPT, "is not a regular file");
    if (fd < 0)
        return err_set_errno(err, errno, "cannot open");
    if (fstat(fd, &st) < 0)
        return err_set_errno(err, errno, "cannot stat the file");
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_CORRUPT, "is not a regular file");
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int io_open_dir(const char *path, int *ret_fd, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return err_set_errno(err, errno, "cannot open the folder");
    *ret_fd = fd;
    return 0;
}

bool io_is_zero(const void *data, size_t len)
{
    const uint8_t *bytes = data;

    /* The first 16 bytes by hand, the rest by comparing the memory with itself shifted by that
     * much: as fast as the C library's memcmp. */
    for (size_t i = 0; i < 16; i++) {
        if (i == len)
            return true;
        if (bytes[i])
            return false;
    }
    return memcmp(bytes, bytes + 16, len - 16) == 0;
}

int io_sync(int fd, struct err *err)
{
    if (fsync(fd) < 0)
        return err_set_errno(err, errno, "cannot flush to disk");
    return 0;
}

static bool is_one_file(int dir_fd, const char *one, const char *other)
{
    struct stat a;
    struct stat b;

    return fstatat(dir_fd, one, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstatat(dir_fd, other, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* A link fails if the name is taken. An NFS server that was asked again, because its answer was
 * lost, reports that for the link that it made itself. */
static int rename_by_link(int dir_fd, const char *from, const char *to)
{
    if (linkat(dir_fd, from, dir_fd, to, 0) < 0 &&
        !(errno == EEXIST && is_one_file(dir_fd, from, to)))
        return -1;
    return unlinkat(dir_fd, from, 0) < 0 && errno != ENOENT ? -1 : 0;
}

/* Reserves the name, then renames over it. If somebody takes the name from us in between, they lose
 * it: these file systems offer nothing better. */
static int rename_by_reservation(int dir_fd, const char *from, const char *to)
{
    CLEANUP_CLOSE int fd =
        openat(dir_fd, to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat ours;
    struct stat named;

    if (fd < 0)
        return -1;
    if (fstat(fd, &ours) < 0 || fstatat(dir_fd, to, &named, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    if (ours.st_dev != named.st_dev || ours.st_ino != named.st_ino) {
        errno = EEXIST;
        return -1;
    }
    if (renameat(dir_fd, from, dir_fd, to) == 0)
        return 0;
    int failed = errno;
    (void)unlinkat(dir_fd, to, 0);
    errno = failed;
    return -1;
}

static bool is_unknown(int error)
{
    return error == EINVAL || error == ENOSYS || error == EOPNOTSUPP;
}

/* Many file systems cannot do this in one step: NFS has links, exFAT and many FUSE file systems do
 * not even have those. */
static int rename_without_replacing(int dir_fd, const char *from, const char *to)
{
    if (renameat2(dir_fd, from, dir_fd, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (!is_unknown(errno))
        return -1;
    if (rename_by_link(dir_fd, from, to) == 0)
        return 0;
    if (!is_unknown(errno) && errno != EPERM && errno != EMLINK)
        return -1;
    return rename_by_reservation(dir_fd, from, to);
}

int io_rename(int dir_fd, const char *from, const char *to, bool replace, struct err *err)
{
    int failed =
        replace ? renameat(dir_fd, from, dir_fd, to) : rename_without_replacing(dir_fd, from, to);

    if (failed)
        return err_set_errno(err, errno, "cannot rename '%s' to '%s'", from, to);
    return 0;
}

int io_sync_dir(int dir_fd, struct err *err)
{
    /* Some network file systems cannot flush a folder and say so. */
    if (fsync(dir_fd) < 0 && errno != EINVAL && errno != ENOTSUP)
        return err_set_errno(err, errno, "cannot flush the folder to disk");
    return 0;
}

int io_sync_folder_of(const char *path, struct err *err)
{
    CLEANUP_FREE char *folder = mem_strdup(path);
    CLEANUP_CLOSE int fd = -1;
    char *slash = strrchr(folder, '/');

    slash[slash == folder] = '\0';
    if (io_open_dir(folder, &fd, err) < 0 || io_sync_dir(fd, err) < 0)
        return err_prefix(err, "%s", folder);
    return 0;
}

int io_publish(int dir_fd, const struct io_file *file, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;
    CLEANUP_FREE char *temporary = mem_printf(".%.200s.%ld.new", file->name, (long)getpid());

    (void)unlinkat(dir_fd, temporary, 0); /* left by a dead process that had our pid */
    if (io_open_in(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL, file->mode, &fd, err) < 0)
        return -1;
    if (io_write(fd, file->data, file->len, err) < 0 || io_sync(fd, err) < 0 ||
        io_rename(dir_fd, temporary, file->name, file->replace, err) < 0) {
        (void)unlinkat(dir_fd, temporary, 0);
        return -1;
    }
    return io_sync_dir(dir_fd, err);
}

int io_free_space(int fd, uint64_t *ret_bytes, struct err *err)
{
    struct statvfs st;

    if (fstatvfs(fd, &st) < 0)
        return err_set_errno(err, errno, "cannot get the free space of the file system");
    if (!units_mul(st.f_bavail, st.f_frsize, ret_bytes))
        *ret_bytes = UINT64_MAX;
    return 0;
}
