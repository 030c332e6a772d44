/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/qemu_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

#include "base/log.h"

#define USED_BASE 100
#define REFUSED_BASE 200

enum permission { PERM_READ, PERM_WRITE, PERM_WRITE_UNCHANGED, PERM_RESIZE, PERM_COUNT };
#define BIT(permission) (1u << (permission))

static const char *const names[PERM_COUNT] = {"read", "write", "write unchanged data", "resize"};

struct claim {
    unsigned use;    /* what we do with the image */
    unsigned refuse; /* what nobody else may do in the meantime */
};

static const struct claim reading = {BIT(PERM_READ), BIT(PERM_WRITE) | BIT(PERM_RESIZE)};
static const struct claim writing = {BIT(PERM_READ) | BIT(PERM_WRITE) | BIT(PERM_RESIZE),
                                     BIT(PERM_READ) | BIT(PERM_WRITE) | BIT(PERM_WRITE_UNCHANGED) |
                                         BIT(PERM_RESIZE)};

static struct flock one_byte(short type, int offset)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = offset, .l_len = 1};
}

/* 1: locked, 0: this file system has no locks, -1: somebody else has locked it completely. */
static int lock_byte(int fd, int offset, struct err *err)
{
    struct flock lock = one_byte(F_RDLCK, offset);

    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return 1;
    if (errno == EAGAIN || errno == EACCES)
        return err_set(err, ERR_BUSY, "is locked by another program");
    log_detail("the image cannot be locked here: %s", strerror(errno));
    return 0;
}

static bool byte_is_locked(int fd, int offset)
{
    /* Querying an exclusive lock finds other processes' shared locks, but not our own. */
    struct flock lock = one_byte(F_WRLCK, offset);

    return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

static int check_claim(int fd, const struct claim *claim, struct err *err)
{
    for (int i = 0; i < PERM_COUNT; i++) {
        if (claim->refuse & BIT(i) && byte_is_locked(fd, USED_BASE + i))
            return err_set(
                err, ERR_BUSY,
                "is in use by a running guest or another program (it holds QEMU's \"%s\" "
                "lock)",
                names[i]);
        if (claim->use & BIT(i) && byte_is_locked(fd, REFUSED_BASE + i))
            return err_set(err, ERR_BUSY,
                           "is in use by a running guest or another program (it does not share "
                           "QEMU's \"%s\" lock)",
                           names[i]);
    }
    return 0;
}

/* Lock first, then check: if two start at the same time, at least one sees the other. */
static int take_claim(int fd, const struct claim *claim, struct err *err)
{
    for (int i = 0; i < PERM_COUNT; i++) {
        int locked = claim->use & BIT(i) ? lock_byte(fd, USED_BASE + i, err) : 1;
        if (locked > 0 && claim->refuse & BIT(i))
            locked = lock_byte(fd, REFUSED_BASE + i, err);
        if (locked <= 0)
            return locked;
    }
    return check_claim(fd, claim, err);
}

int qemu_lock_read(int fd, struct err *err)
{
    return take_claim(fd, &reading, err);
}

int qemu_lock_write(int fd, struct err *err)
{
    return take_claim(fd, &writing, err);
}

int qemu_lock_check_unused(int fd, struct err *err)
{
    return check_claim(fd, &writing, err);
}

void qemu_lock_release(int fd)
{
    struct flock all = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

    (void)fcntl(fd, F_OFD_SETLK, &all);
}
