/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Raw images: new sparse files, and block devices, which may hold old data.
 */
#include "disk/writer_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/bulk_writer.h"
#include "base/io.h"
#include "base/log.h"
#include "base/quit.h"
#include "base/units.h"
#include "base/write_behind.h"
#include "disk/qemu_lock.h"

/* Smaller holes would save little room - of a system's disk one part in fifty - and cost a request to
 * the disk each. */
#define FILE_HOLE_SIZE ((size_t)16 << 10)

/* BLKZEROOUT cannot be interrupted, and may really write, so it is called in steps. */
#define ZERO_STEP (UINT64_C(64) << 20)
/* No page is larger than this, so that kernel zeroing and pages that we have written never share a
 * page of the cache. */
#define ZERO_ALIGN (UINT64_C(64) << 10)

struct raw_writer {
    struct disk_writer base;
    struct bulk_writer *bulk;
    bool zeroing_fails; /* the device has no BLKZEROOUT */
};

static int write_raw(struct disk_writer *writer, uint64_t offset, const void *data, size_t len,
                     struct err *err)
{
    struct raw_writer *raw = (struct raw_writer *)writer;

    return bulk_writer_write(raw->bulk, data, len, offset, err);
}

static int write_zeros(struct disk_writer *writer, uint64_t offset, uint64_t len, struct err *err)
{
    static const uint8_t zeros[64 << 10];

    while (len > 0) {
        size_t part = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);
        if (quit_check(err) < 0 || write_raw(writer, offset, zeros, part, err) < 0)
            return -1;
        offset += part;
        len -= part;
    }
    return 0;
}

/* Only whole aligned pieces. */
static int zero_by_kernel(struct raw_writer *raw, uint64_t offset, uint64_t len, struct err *err)
{
    while (len > 0 && !raw->zeroing_fails) {
        uint64_t range[2] = {offset, len < ZERO_STEP ? len : ZERO_STEP};
        if (quit_check(err) < 0)
            return -1;
        if (ioctl(raw->base.file.fd, BLKZEROOUT, range) < 0) {
            if (errno != EOPNOTSUPP && errno != ENOTTY && errno != EINVAL)
                return err_set_errno(err, errno, "cannot write zeros at byte %" PRIu64, offset);
            log_detail("%s: writing zeros one by one: %s", raw->base.path, strerror(errno));
            raw->zeroing_fails = true;
            break;
        }
        offset += range[1];
        len -= range[1];
    }
    return write_zeros(&raw->base, offset, len, err);
}

static int zero_device(struct disk_writer *writer, uint64_t offset, uint64_t len, struct err *err)
{
    struct raw_writer *raw = (struct raw_writer *)writer;
    uint64_t head = (ZERO_ALIGN - offset % ZERO_ALIGN) % ZERO_ALIGN;

    if (head >= len)
        return write_zeros(writer, offset, len, err);
    uint64_t middle = (len - head) / ZERO_ALIGN * ZERO_ALIGN;
    uint64_t tail = len - head - middle;
    if (write_zeros(writer, offset, head, err) < 0 ||
        zero_by_kernel(raw, offset + head, middle, err) < 0)
        return -1;
    return write_zeros(writer, offset + head + middle, tail, err);
}

static int finish_raw(struct disk_writer *writer, struct err *err)
{
    struct raw_writer *raw = (struct raw_writer *)writer;

    if (bulk_writer_flush(raw->bulk, err) < 0 || io_sync(writer->file.fd, err) < 0)
        return -1;
    write_behind_drop_all(writer->file.fd);
    return 0;
}

static void free_raw(struct disk_writer *writer)
{
    bulk_writer_free(((struct raw_writer *)writer)->bulk);
}

static const struct writer_kind writer_file_kind = {
    .hole_size = FILE_HOLE_SIZE, .write = write_raw, .finish = finish_raw, .free = free_raw};

static const struct writer_kind writer_device_kind = {
    .write = write_raw, .zero = zero_device, .finish = finish_raw, .free = free_raw};

static int new_raw(const struct writer_kind *kind, int fd, struct disk_writer **ret,
                   struct err *err)
{
    struct bulk_writer *bulk = bulk_writer_new(fd, err);

    if (!bulk)
        return -1;
    struct raw_writer *raw = mem_alloc(sizeof(*raw));
    raw->base.kind = kind;
    raw->bulk = bulk;
    *ret = &raw->base;
    return 0;
}

int disk_writer_new_file(const struct disk_target *target, struct local_file *file,
                         struct disk_writer **ret, struct err *err)
{
    if (qemu_lock_write(file->fd, err) < 0)
        return -1;
    if (ftruncate(file->fd, (off_t)target->image_size) < 0)
        return err_set_errno(err, errno, "cannot create a file of %" PRIu64 " bytes",
                             target->image_size);
    return new_raw(&writer_file_kind, file->fd, ret, err);
}

int disk_writer_new_device(const struct disk_target *target, struct local_file *file,
                           struct disk_writer **ret, struct err *err)
{
    if (file->size < target->image_size)
        return err_set(err, ERR_NO_SPACE,
                       "the device has %" PRIu64 " bytes, but the image needs %" PRIu64, file->size,
                       target->image_size);
    if (qemu_lock_write(file->fd, err) < 0)
        return -1;
    return new_raw(&writer_device_kind, file->fd, ret, err);
}
