/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/guest_lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/io.h"
#include "base/units.h"

#define LOCK_RETRY_MS 50

struct guest_lock {
    int dir_fd; /* owned */
    int fd;     /* owned; holds the lock */
    char *name;
};

static int refuse_busy(int fd, struct err *err)
{
    char text[128] = "";
    size_t len = 0;

    /* Written by the holder right after it got the lock: "PID TIME". */
    if (io_pread_some(fd, text, sizeof(text) - 1, 0, &len, NULL) < 0 || len == 0)
        return err_set(err, ERR_BUSY, "another virt-backup works on it");
    text[len] = '\0';
    text[strcspn(text, "\n")] = '\0';
    char *since = strchr(text, ' ');
    if (since)
        *since++ = '\0';
    return err_set(err, ERR_BUSY, "busy since %s by pid %s, another virt-backup",
                   since ? since : "a moment ago", text);
}

static int note_holder(int fd, struct err *err)
{
    char when[32];
    time_t now = time(NULL);
    struct tm local;

    localtime_r(&now, &local);
    strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &local);
    CLEANUP_FREE char *text = mem_printf("%ld %s\n", (long)getpid(), when);
    if (ftruncate(fd, 0) < 0)
        return err_set_errno(err, errno, "cannot write the lock file");
    return io_pwrite(fd, text, strlen(text), 0, err);
}

/* True if the name still leads to the file that we have locked: its former holder
 * removes it, and we may have opened the old one. */
static bool is_current(int dir_fd, const char *name, int fd)
{
    struct stat ours;
    struct stat named;

    return fstat(fd, &ours) == 0 && fstatat(dir_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

/* Opens the lock file and locks it: 1 done, 0 somebody else has it, -1 failed. */
static int try_lock(int state_fd, const char *name, int *ret_fd, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;

    for (;;) {
        if (fd >= 0)
            close(TAKE_FD(fd));
        if (io_open_in(state_fd, name, O_RDWR | O_CREAT, 0600, &fd, err) < 0)
            return err_prefix(err, "lock file %s", name);
        bool locked = flock(fd, LOCK_EX | LOCK_NB) == 0;
        if (!locked && errno != EWOULDBLOCK)
            return err_set_errno(err, errno, "cannot lock %s", name);
        if (locked && !is_current(state_fd, name, fd))
            continue;
        *ret_fd = TAKE_FD(fd);
        return locked;
    }
}

static int lock_within(int state_fd, const char *name, uint64_t wait_ms, int *ret_fd,
                       struct err *err)
{
    uint64_t deadline_ms = units_now_ms() + wait_ms;
    int got;

    while ((got = try_lock(state_fd, name, ret_fd, err)) == 0) {
        CLEANUP_CLOSE int fd = TAKE_FD(*ret_fd);
        if (units_now_ms() >= deadline_ms)
            return refuse_busy(fd, err);
        poll(NULL, 0, LOCK_RETRY_MS);
    }
    return got < 0 ? -1 : 0;
}

int guest_lock_take(int state_fd, const char *uuid, uint64_t wait_ms, struct guest_lock **ret,
                    struct err *err)
{
    CLEANUP_FREE char *name = mem_printf("%s.lock", uuid);
    CLEANUP_CLOSE int fd = -1;

    if (lock_within(state_fd, name, wait_ms, &fd, err) < 0)
        return -1;
    if (note_holder(fd, err) < 0) {
        (void)unlinkat(state_fd, name, 0);
        return -1;
    }
    struct guest_lock *lock = mem_alloc(sizeof(*lock));
    lock->dir_fd = fcntl(state_fd, F_DUPFD_CLOEXEC, 0);
    lock->fd = TAKE_FD(fd);
    lock->name = TAKE_PTR(name);
    *ret = lock;
    return 0;
}

void guest_lock_release(struct guest_lock *lock)
{
    if (!lock)
        return;
    (void)unlinkat(lock->dir_fd, lock->name, 0);
    close(lock->fd);
    close(lock->dir_fd);
    free(lock->name);
    free(lock);
}

/* ---- what dead runs leave ------------------------------------------------------------ */

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text);
    size_t end_len = strlen(end);

    return len > end_len && strcmp(text + len - end_len, end) == 0;
}

/* "UUID.lock", or ".UUID.intent.PID.new" as io_publish names it; NULL: neither. */
static char *uuid_of_leftover(const char *name)
{
    const char *dot = strchr(name + 1, '.');

    if (ends_with(name, ".lock"))
        return mem_strndup(name, strlen(name) - strlen(".lock"));
    if (name[0] == '.' && ends_with(name, ".new") && dot)
        return mem_strndup(name + 1, (size_t)(dot - name - 1));
    return NULL;
}

/* With the guest's lock held nobody else writes a note of it. */
static void sweep_one(int state_fd, const char *name)
{
    CLEANUP_FREE char *uuid = uuid_of_leftover(name);
    CLEANUP_FREE char *lock_name = uuid ? mem_printf("%s.lock", uuid) : NULL;
    CLEANUP_CLOSE int fd = -1;

    if (!uuid || try_lock(state_fd, lock_name, &fd, NULL) != 1)
        return;
    (void)unlinkat(state_fd, name, 0);
    if (strcmp(name, lock_name) != 0)
        (void)unlinkat(state_fd, lock_name, 0);
}

void guest_lock_sweep(int state_fd)
{
    int fd = openat(state_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    char **names = NULL;
    size_t count = 0;

    if (!dir) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(dir));) {
        names = mem_resize(names, count + 1, sizeof(*names));
        names[count++] = mem_strdup(entry->d_name);
    }
    closedir(dir);
    for (size_t i = 0; i < count; i++) {
        sweep_one(state_fd, names[i]);
        free(names[i]);
    }
    free(names);
}
