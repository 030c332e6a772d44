/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Preloaded: a disk that is full or bad, below files without names. The write at VIRT_BACKUP_LOST is said
 * to be done, and is not; with VIRT_BACKUP_UNFLUSHED, flushing fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Functions with the plain names: glibc's headers would rename the first two. */
ssize_t lossy_pwrite(int fd, const void *data, size_t len, off_t offset) __asm__("pwrite");
ssize_t lossy_pwrite64(int fd, const void *data, size_t len, off_t offset) __asm__("pwrite64");
int lossy_fsync(int fd) __asm__("fsync");

static int is_nameless(int fd)
{
    struct stat st;

    return syscall(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH) == 0 && S_ISREG(st.st_mode) &&
           st.st_nlink == 0;
}

ssize_t lossy_pwrite(int fd, const void *data, size_t len, off_t offset)
{
    const char *lost = getenv("VIRT_BACKUP_LOST");

    if (lost && strtoll(lost, NULL, 10) == offset && is_nameless(fd))
        return (ssize_t)len;
    return syscall(SYS_pwrite64, fd, data, len, offset);
}

ssize_t lossy_pwrite64(int fd, const void *data, size_t len, off_t offset)
{
    return lossy_pwrite(fd, data, len, offset);
}

int lossy_fsync(int fd)
{
    if (getenv("VIRT_BACKUP_UNFLUSHED") && is_nameless(fd)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}
