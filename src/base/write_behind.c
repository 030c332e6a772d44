/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/write_behind.h"

#include <errno.h>
#include <fcntl.h>

#include "base/units.h"

/* A range is written out when it contains this many written bytes, or when the next write is this
 * far away. Holes in between cost nothing. */
#define RANGE_WINDOW (16 * MIB)
#define SPAN (128 * MIB)

static int sync_range(int fd, const struct write_range *range, unsigned flags, struct err *err)
{
    if (sync_file_range(fd, (off_t)range->start, (off_t)(range->end - range->start), flags) == 0)
        return 0;
    if (errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP || errno == ESPIPE)
        return 0; /* not supported here */
    return err_set_errno(err, errno, "cannot write at byte %llu", (unsigned long long)range->start);
}

/* Waits for the oldest range and drops it, while the kernel writes the next one. */
static int push_out(struct write_behind *behind, int fd, struct err *err)
{
    const unsigned all =
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    const struct write_range *out = &behind->going_out;

    if (sync_range(fd, &behind->filling, SYNC_FILE_RANGE_WRITE, err) < 0)
        return -1;
    if (out->written > 0) {
        if (sync_range(fd, out, all, err) < 0)
            return -1;
        (void)posix_fadvise(fd, (off_t)out->start, (off_t)(out->end - out->start),
                            POSIX_FADV_DONTNEED);
    }
    behind->going_out = behind->filling;
    behind->filling = (struct write_range){0};
    return 0;
}

int write_behind_add(struct write_behind *behind, int fd, uint64_t offset, uint64_t len,
                     struct err *err)
{
    struct write_range *fill = &behind->filling;
    uint64_t distance = offset < fill->start ? fill->start - offset : offset - fill->start;

    if (fill->written > 0 && distance > SPAN && push_out(behind, fd, err) < 0)
        return -1;
    /* Chunks are written as they are finished, which is nearly in order. */
    if (fill->written == 0 || offset < fill->start)
        fill->start = offset;
    if (fill->end < offset + len)
        fill->end = offset + len;
    fill->written += len;
    return fill->written >= RANGE_WINDOW ? push_out(behind, fd, err) : 0;
}

void write_behind_drop_all(int fd)
{
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}
