/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/file_id.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define NS_A_SECOND UINT64_C(1000000000)

static int id_of(int dir_fd, const char *name, int flags, struct file_id *ret)
{
    struct statx st;

    if (statx(dir_fd, name, flags, STATX_INO | STATX_BTIME, &st) < 0)
        return -1;
    ret->device = makedev(st.stx_dev_major, st.stx_dev_minor);
    ret->inode = st.stx_ino;
    ret->born = 0;
    if (st.stx_mask & STATX_BTIME)
        ret->born = (uint64_t)st.stx_btime.tv_sec * NS_A_SECOND + st.stx_btime.tv_nsec;
    return 0;
}

int file_id_read(int fd, struct file_id *ret, struct err *err)
{
    if (id_of(fd, "", AT_EMPTY_PATH, ret) < 0)
        return err_set_errno(err, errno, "cannot stat it");
    return 0;
}

bool file_id_same(const struct file_id *a, const struct file_id *b)
{
    if (!a->inode || a->inode != b->inode)
        return false;
    return a->born && b->born ? a->born == b->born : a->device == b->device;
}

bool file_id_is_at(int dir_fd, const char *name, const struct file_id *id)
{
    struct file_id found;

    if (id_of(dir_fd, name, AT_SYMLINK_NOFOLLOW, &found) < 0)
        return false;
    errno = 0;
    return file_id_same(&found, id);
}
