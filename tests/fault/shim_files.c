/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The wrappers of the C library where it changes something outside the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "shim.h"

/* ---- files ---------------------------------------------------------------------------------------------------- */

#define FILE_CALL(NAME, PARAMETERS, ARGUMENTS, DETAIL, ERRNO)                                      \
    WRAP(int, NAME, PARAMETERS, ARGUMENTS, DETAIL, false, FAIL_ERRNO(-1, ERRNO))

/* What a descriptor leads to, for the label; NULL where it is nothing that lasts. */
static const char *file_of(int fd, char *text, size_t size)
{
    char link[64];
    struct stat st;
    int failed = errno;

    if (!shim_may_ask())
        return NULL;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    bool lasts = fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
    ssize_t len = lasts ? readlink(link, text, size - 1) : -1;
    errno = failed;
    if (len < 0)
        return NULL;
    text[len] = '\0';
    return strncmp(text, "/memfd:", 7) == 0 ? NULL : text;
}

static int open_next(const char *name, int dir, const char *path, int flags, mode_t mode,
                     const void *caller)
{
    static int (*next)(int, const char *, int, ...);
    bool counts = shim_counts_all || flags & O_CREAT;
    enum deed deed = counts ? shim_meet(name, path, false, caller) : NOTHING;

    if (deed == FAIL) {
        FAIL_ERRNO(-1, ENOSPC);
    }
    if (!next)
        *(void **)&next = shim_next("openat64");
    int fd = next(dir, path, flags, mode);
    shim_settle(deed);
    return fd;
}

static mode_t mode_of(int flags, va_list args)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

int open64(const char *path, int flags, ...)
{
    va_list args;

    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    return open_next("open", AT_FDCWD, path, flags, mode, CALLER);
}

int openat64(int dir, const char *path, int flags, ...)
{
    va_list args;

    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    return open_next("openat", dir, path, flags, mode, CALLER);
}

FILE_CALL(mkdir, (const char *p, mode_t m), (p, m), p, ENOSPC)
FILE_CALL(mkdirat, (int d, const char *p, mode_t m), (d, p, m), p, ENOSPC)
FILE_CALL(rmdir, (const char *p), (p), p, EIO)
FILE_CALL(unlink, (const char *p), (p), p, EIO)
FILE_CALL(unlinkat, (int d, const char *p, int f), (d, p, f), p, EIO)
FILE_CALL(rename, (const char *p, const char *q), (p, q), q, EIO)
FILE_CALL(renameat, (int d, const char *p, int e, const char *q), (d, p, e, q), q, EIO)
FILE_CALL(renameat2, (int d, const char *p, int e, const char *q, unsigned int f), (d, p, e, q, f),
          q, EIO)
FILE_CALL(linkat, (int d, const char *p, int e, const char *q, int f), (d, p, e, q, f), q, EIO)
FILE_CALL(chmod, (const char *p, mode_t m), (p, m), p, EPERM)
FILE_CALL(fchmod, (int d, mode_t m), (d, m), NULL, EPERM)
FILE_CALL(fchown, (int d, uid_t u, gid_t g), (d, u, g), NULL, EPERM)
FILE_CALL(fsetxattr, (int d, const char *n, const void *v, size_t s, int f), (d, n, v, s, f), n,
          ENOSPC)
FILE_CALL(fsync, (int d), (d), file_of(d, (char[512]){0}, 512), EIO)
FILE_CALL(ftruncate64, (int d, off64_t s), (d, s), file_of(d, (char[512]){0}, 512), ENOSPC)
FILE_CALL(fallocate64, (int d, int m, off64_t o, off64_t s), (d, m, o, s), NULL, ENOSPC)
FILE_CALL(flock, (int d, int o), (d, o), NULL, EIO)

/* True if it leads to standard output or standard error, under whatever descriptor. What the
 * program says is how a failure is judged; it must arrive. */
static bool is_output(int fd)
{
    struct stat st;
    struct stat output;

    if (fd == STDOUT_FILENO || fd == STDERR_FILENO)
        return true;
    int failed = errno;
    if (!shim_may_ask() || fstat(fd, &st) < 0) {
        errno = failed;
        return false;
    }
    for (int i = STDOUT_FILENO; i <= STDERR_FILENO; i++)
        if (fstat(i, &output) == 0 && st.st_dev == output.st_dev && st.st_ino == output.st_ino)
            return true;
    return false;
}

/* Pipes, eventfds and standard output are no lasting effects. */
static enum deed meet_write(const char *name, int fd, const void *caller)
{
    char text[512];
    const char *file = file_of(fd, text, sizeof(text));

    if (is_output(fd))
        return NOTHING;
    return file || shim_counts_all ? shim_meet(name, file, true, caller) : NOTHING;
}

ssize_t write(int fd, const void *data, size_t len)
{
    static ssize_t (*next)(int, const void *, size_t);
    enum deed deed = meet_write("write", fd, CALLER);

    if (deed == FAIL) {
        FAIL_ERRNO(-1, ENOSPC);
    }
    if (!next)
        *(void **)&next = shim_next("write");
    ssize_t result = next(fd, data, len);
    shim_settle(deed);
    return result;
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t offset)
{
    static ssize_t (*next)(int, const void *, size_t, off64_t);
    enum deed deed = meet_write("pwrite", fd, CALLER);

    if (deed == FAIL) {
        FAIL_ERRNO(-1, ENOSPC);
    }
    if (deed == LIE)
        return (ssize_t)len;
    if (!next)
        *(void **)&next = shim_next("pwrite64");
    ssize_t result = next(fd, data, len, offset);
    shim_settle(deed);
    return result;
}

/* ---- processes and their sockets -------------------------------------------------------------------------------- */

WRAP(ssize_t, send, (int s, const void *d, size_t n, int f), (s, d, n, f), NULL, true,
     FAIL_ERRNO(-1, ENOBUFS))
WRAP(ssize_t, sendmsg, (int s, const struct msghdr *m, int f), (s, m, f), NULL, true,
     FAIL_ERRNO(-1, ENOBUFS))
FILE_CALL(connect, (int s, const struct sockaddr *a, socklen_t n), (s, a, n), NULL, ECONNREFUSED)
FILE_CALL(bind, (int s, const struct sockaddr *a, socklen_t n), (s, a, n), NULL, ENOSPC)
FILE_CALL(kill, (pid_t p, int n), (p, n), NULL, EPERM)

pid_t fork(void)
{
    static pid_t (*next)(void);
    enum deed deed = shim_meet("fork", NULL, false, CALLER);

    if (deed == FAIL) {
        FAIL_ERRNO(-1, EAGAIN);
    }
    if (!next)
        *(void **)&next = shim_next("fork");
    pid_t pid = next();
    if (pid == 0)
        shim_forked();
    shim_settle(deed);
    return pid;
}

WRAP(int, pthread_create, (pthread_t * t, const pthread_attr_t *a, void *(*f)(void *), void *o),
     (t, a, f, o), NULL, false, return EAGAIN)
