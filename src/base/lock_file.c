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
    char *name; /* NULL: there was no room for the file, and the folder is locked in its place */
    bool left;  /* keep the file */
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

/* ---- a folder with no room for the file ---------------------------------------------- */

/* Whoever locks the file does that first and then looks at the folder; whoever locks the folder
 * does that first and then looks at the file. So of two that come at once, at least one sees the
 * other. */

/* Locks the folder itself: 1 done, 0 somebody else has it, or the file, -1 failed. */
static int try_folder(int dir_fd, const char *name, int *ret_fd, struct err *err)
{
    CLEANUP_CLOSE int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return err_set_errno(err, errno, "cannot open the folder of lock file %s", name);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK || errno == EINTR
                   ? 0
                   : err_set_errno(err, errno, "cannot lock the folder of %s", name);
    if (lock_file_is_held(dir_fd, name))
        return 0;
    *ret_fd = TAKE_FD(fd);
    return 1;
}

static bool folder_is_held(int dir_fd)
{
    CLEANUP_CLOSE int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

/* As try_lock; *ret_folder: it is the folder that is locked. */
static int try_either(int dir_fd, const char *name, bool or_folder, int *ret_fd, bool *ret_folder,
                      struct err *err)
{
    CLEANUP_CLOSE int fd = -1;
    CLEANUP_ERR struct err why = ERR_INIT;
    int got = try_lock(dir_fd, name, &fd, &why);

    if (got < 0 && why.kind == ERR_NO_SPACE && or_folder) {
        *ret_folder = true;
        return try_folder(dir_fd, name, ret_fd, err);
    }
    if (got < 0)
        return err_move(err, &why);
    /* What a dead holder has written into the file is not about the one who has the folder. */
    if (got && folder_is_held(dir_fd))
        return 0;
    *ret_fd = TAKE_FD(fd);
    return got;
}

/* ---- the lock ------------------------------------------------------------------------ */

enum lock_scope { FILE_ALONE, FILE_UNDER_FOLDER, FILE_OR_FOLDER };

static int lock_within(int dir_fd, const char *name, enum lock_scope scope, uint64_t wait_ms,
                       struct lock_file *lock, struct err *err)
{
    uint64_t begun_ms = units_now_ms();

    for (;;) {
        CLEANUP_CLOSE int fd = -1;
        bool folder = false;
        int got = scope == FILE_ALONE
                      ? try_lock(dir_fd, name, &fd, err)
                      : try_either(dir_fd, name, scope == FILE_OR_FOLDER, &fd, &folder, err);
        if (got < 0)
            return -1;
        if (got) {
            lock->fd = TAKE_FD(fd);
            lock->name = folder ? NULL : mem_strdup(name);
            return 0;
        }
        if (units_now_ms() - begun_ms >= wait_ms)
            return refuse_busy(fd, err);
        if (quit_check(err) < 0)
            return -1;
        poll(NULL, 0, LOCK_RETRY_MS);
    }
}

static int lock_take(int dir_fd, const char *name, enum lock_scope scope, uint64_t wait_ms,
                     struct lock_file **ret, struct err *err)
{
    struct lock_file lock = {.fd = -1};

    if (lock_within(dir_fd, name, scope, wait_ms, &lock, err) < 0)
        return -1;
    if (lock.name)
        note_holder(lock.fd);
    lock.dir_fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
    *ret = mem_alloc(sizeof(lock));
    **ret = lock;
    return 0;
}

int lock_file_take(int dir_fd, const char *name, uint64_t wait_ms, struct lock_file **ret,
                   struct err *err)
{
    return lock_take(dir_fd, name, FILE_ALONE, wait_ms, ret, err);
}

int lock_file_take_under(int dir_fd, const char *name, bool or_folder, uint64_t wait_ms,
                         struct lock_file **ret, struct err *err)
{
    return lock_take(dir_fd, name, or_folder ? FILE_OR_FOLDER : FILE_UNDER_FOLDER, wait_ms, ret,
                     err);
}

static bool is_held(int fd)
{
    return flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

bool lock_file_is_held(int dir_fd, const char *name)
{
    CLEANUP_CLOSE int fd = -1;

    return io_open_in(dir_fd, name, O_RDONLY, 0, &fd, NULL) == 0 && is_held(fd);
}

int lock_file_check(int dir_fd, const char *name, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;

    return io_open_in(dir_fd, name, O_RDONLY, 0, &fd, NULL) == 0 && is_held(fd)
               ? refuse_busy(fd, err)
               : 0;
}

void lock_file_leave(struct lock_file *lock)
{
    lock->left = true;
}

void lock_file_release(struct lock_file *lock)
{
    if (!lock)
        return;
    if (!lock->left && lock->name)
        (void)unlinkat(lock->dir_fd, lock->name, 0);
    close(lock->fd);
    close(lock->dir_fd);
    free(lock->name);
    free(lock);
}
