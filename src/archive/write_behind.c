/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/write_behind.h"

#include <errno.h>
#include <fcntl.h>

#include "base/units.h"

/* Two windows are in the cache at most: one being filled, one being written. */
#define WINDOW (16 * MIB)

static int sync_range(int fd, const struct write_behind_window *window, unsigned flags,
                      struct err *err)
{
    if (sync_file_range(fd, (off_t)window->start, (off_t)(window->end - window->start), flags) == 0)
        return 0;
    /* Where there is no such call the data stays in the cache, and is still good. */
    if (errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP || errno == ESPIPE)
        return 0;
    return err_set_errno(err, errno, "cannot write at byte %llu",
                         (unsigned long long)window->start);
}

static int turn(struct write_behind *behind, struct err *err)
{
    const struct write_behind_window *before = &behind->before;

    if (sync_range(behind->fd, &behind->current, SYNC_FILE_RANGE_WRITE, err) < 0)
        return -1;
    if (before->end > before->start) {
        if (sync_range(behind->fd, before,
                       SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                           SYNC_FILE_RANGE_WAIT_AFTER,
                       err) < 0)
            return -1;
        (void)posix_fadvise(behind->fd, (off_t)before->start, (off_t)(before->end - before->start),
                            POSIX_FADV_DONTNEED);
    }
    behind->before = behind->current;
    behind->current.start = behind->current.end;
    behind->written = 0;
    return 0;
}

int write_behind_note(struct write_behind *behind, uint64_t offset, uint64_t len, struct err *err)
{
    if (behind->written == 0)
        behind->current.start = offset;
    behind->current.end = offset + len;
    behind->written += len;
    return behind->written < WINDOW ? 0 : turn(behind, err);
}
