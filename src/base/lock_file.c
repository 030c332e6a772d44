/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/lock_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/io.h"
#include "base/quit.h"
#include "base/units.h"
#include "base/when.h"

#define LOCK_RETRY_MS 50
/* If the name leads to a different file this many times, the file system has no usable inodes. */
#define LOCK_RACES 1000

struct lock_file {
    int dir_fd; /* owned */
    int fd;     /* owned; holds the lock */
    char *name;
    bool left; /* keep the file */
};

static int refuse_busy(int fd, struct err *err)
{
    char text[128] = "";
    char when[WHEN_TEXT_SIZE];
    size_t len = 0;

    /* Written by the holder right after it got the lock: "PID TIME". */
    if (io_pread_some(fd, text, sizeof(text) - 1, 0, &len, NULL) < 0 || len == 0)
        return err_set(err, ERR_BUSY, "in use by another virt-backup");
    text[len] = '\0';
    text[strcspn(text, "\n")] = '\0';
    char *since = strchr(text, ' ');
    if (since)
        *since++ = '\0';
    if (!since)
        return err_set(err, ERR_BUSY, "in use by virt-backup (pid %s)", text);
    return err_set(err, ERR_BUSY, "in use since %s by virt-backup (pid %s)",
                   when_local(since, when), text);
}

/* For the message of whoever finds it locked. The lock works without it too. */
static void note_holder(int fd)
{
    char when[WHEN_TEXT_SIZE];

    CLEANUP_FREE char *text = mem_printf("%ld %s\n", (long)getpid(), when_now(when));
    if (ftruncate(fd, 0) == 0)
        (void)io_pwrite(fd, text, strlen(text), 0, NULL);
}

/* True if the name still leads to the file that we locked: its previous holder removes it, and we
 * may have opened the old one. */
static bool is_current(int dir_fd, const char *name, int fd)
{
    struct stat ours;
    struct stat named;

    return fstat(fd, &ours) == 0 && fstatat(dir_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

/* Opens the lock file and locks it: 1 done, 0 somebody else has it, -1 failed. */
static int try_lock(int dir_fd, const char *name, int *ret_fd, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;

    for (int i = 0; i < LOCK_RACES; i++) {
        if (fd >= 0)
            close(TAKE_FD(fd));
        if (io_open_in(dir_fd, name, O_RDWR | O_CREAT, 0600, &fd, err) < 0)
            return err_prefix(err, "lock file %s", name);
        int failed = flock(fd, LOCK_EX | LOCK_NB) < 0 ? errno : 0;
        if (failed && failed != EWOULDBLOCK && failed != EINTR) {
            (void)unlinkat(dir_fd, name, 0);
            err_set_errno(err, failed, "cannot lock %s", name);
            if (err)
                err->kind = ERR_UNSUPPORTED;
            return -1;
        }
        if (failed == EINTR || (!failed && !is_current(dir_fd, name, fd)))
            continue;
        *ret_fd = TAKE_FD(fd);
        return !failed;
    }
    return err_set(err, ERR_UNSUPPORTED, "cannot lock %s: it keeps being replaced", name);
}

static int lock_within(int dir_fd, const char *name, uint64_t wait_ms, int *ret_fd, struct err *err)
{
    uint64_t begun_ms = units_now_ms();
    int got;

    while ((got = try_lock(dir_fd, name, ret_fd, err)) == 0) {
        CLEANUP_CLOSE int fd = TAKE_FD(*ret_fd);
        if (units_now_ms() - begun_ms >= wait_ms)
            return refuse_busy(fd, err);
        if (quit_check(err) < 0)
            return -1;
        poll(NULL, 0, LOCK_RETRY_MS);
    }
    return got < 0 ? -1 : 0;
}

int lock_file_take(int dir_fd, const char *name, uint64_t wait_ms, struct lock_file **ret,
                   struct err *err)
{
    CLEANUP_CLOSE int fd = -1;

    if (lock_within(dir_fd, name, wait_ms, &fd, err) < 0)
        return -1;
    note_holder(fd);
    struct lock_file *lock = mem_alloc(sizeof(*lock));
    lock->dir_fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
    lock->fd = TAKE_FD(fd);
    lock->name = mem_strdup(name);
    *ret = lock;
    return 0;
}

bool lock_file_is_held(int dir_fd, const char *name)
{
    CLEANUP_CLOSE int fd = -1;

    return io_open_in(dir_fd, name, O_RDONLY, 0, &fd, NULL) == 0 &&
           flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

void lock_file_leave(struct lock_file *lock)
{
    lock->left = true;
}

void lock_file_release(struct lock_file *lock)
{
    if (!lock)
        return;
    if (!lock->left)
        (void)unlinkat(lock->dir_fd, lock->name, 0);
    close(lock->fd);
    close(lock->dir_fd);
    free(lock->name);
    free(lock);
}
