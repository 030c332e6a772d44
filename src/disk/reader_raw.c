/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Raw images: files, whose file system knows where the holes are, and block devices.
 */
#include "disk/reader_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/page_cache.h"
#include "disk/local.h"
#include "disk/qemu_lock.h"

/* Shorter holes are read as data. */
#define HOLE_MIN (UINT64_C(64) << 10)

struct raw_reader {
    struct disk_reader base;
    struct local_file file;
    struct page_cache *cache;
};

/* Past the end of the file there is no data, but that is not a hole of the image either. */
static int check_not_shrunk(const struct disk_reader *reader, int fd, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_set_errno(err, errno, "cannot stat it");
    if ((uint64_t)st.st_size < reader->size)
        return err_set(err, ERR_IO,
                       "the image shrank while it was read: %" PRIu64 " bytes instead of %" PRIu64,
                       (uint64_t)st.st_size, reader->size);
    return 0;
}

static int map_file(struct disk_reader *reader, uint64_t offset, struct disk_part *ret,
                    struct err *err)
{
    int fd = ((struct raw_reader *)reader)->file.fd;
    uint64_t end = reader->size;
    off_t data = lseek(fd, (off_t)offset, SEEK_DATA);

    if (data < 0 && errno != ENXIO && errno != EINVAL && errno != EOPNOTSUPP)
        return err_set_errno(err, errno, "cannot find the holes at byte %" PRIu64, offset);
    bool unknown = data < 0 && errno != ENXIO;
    if (data < 0 && !unknown && check_not_shrunk(reader, fd, err) < 0)
        return -1;
    bool zero = !unknown && data != (off_t)offset;
    if (zero && data >= 0 && (uint64_t)data < end)
        end = (uint64_t)data;
    if (!zero && !unknown) {
        off_t hole = lseek(fd, (off_t)offset, SEEK_HOLE);
        if (hole > (off_t)offset && (uint64_t)hole < end)
            end = (uint64_t)hole;
    }
    *ret = (struct disk_part){zero ? DISK_ZERO : DISK_DATA, end - offset};
    return 0;
}

static int map_device(struct disk_reader *reader, uint64_t offset, struct disk_part *ret,
                      struct err *err)
{
    (void)err;
    *ret = (struct disk_part){DISK_DATA, reader->size - offset};
    return 0;
}

static int read_data(struct disk_reader *reader, uint64_t offset, void *data, size_t len,
                     struct err *err)
{
    return page_cache_read(((struct raw_reader *)reader)->cache, offset, data, len, err);
}

/* The kernel would fill the page cache with a hole's zeros, and then copy them. But if data and
 * holes alternate closely, one read costs less than asking about each of them. */
static int read_file(struct disk_reader *reader, uint64_t offset, void *data, size_t len,
                     struct err *err)
{
    for (size_t at = 0; at < len;) {
        struct disk_part known;
        if (map_file(reader, offset + at, &known, err) < 0)
            return -1;
        if (known.len < HOLE_MIN)
            return read_data(reader, offset + at, (char *)data + at, len - at, err);
        size_t part = known.len < len - at ? (size_t)known.len : len - at;
        if (known.kind == DISK_ZERO)
            memset((char *)data + at, 0, part);
        else if (read_data(reader, offset + at, (char *)data + at, part, err) < 0)
            return -1;
        at += part;
    }
    return 0;
}

static bool hold_raw(const struct disk_reader *reader, size_t n, struct disk_hold *ret)
{
    *ret = (struct disk_hold){DISK_HOLD_LOCK, ((const struct raw_reader *)reader)->file.fd};
    return n == 0;
}

static void close_raw(struct disk_reader *reader)
{
    struct raw_reader *raw = (struct raw_reader *)reader;

    page_cache_free(raw->cache);
    qemu_lock_release(raw->file.fd);
    local_close(&raw->file);
    free(raw);
}

static const struct reader_kind reader_file_kind = {
    .map = map_file, .read = read_file, .hold = hold_raw, .close = close_raw};
static const struct reader_kind reader_device_kind = {
    .map = map_device, .read = read_data, .hold = hold_raw, .close = close_raw};

int disk_reader_open_raw(const char *path, struct disk_reader **ret, struct err *err)
{
    CLEANUP_LOCAL struct local_file file = LOCAL_FILE_INIT;

    if (local_open(path, O_RDONLY, &file, err) < 0)
        return -1;
    /* For a device this finds only users of the same device node; guests of a system libvirt have
     * their own nodes. */
    if (qemu_lock_read(file.fd, err) < 0)
        return -1;
    struct raw_reader *raw = mem_alloc(sizeof(*raw));
    raw->base.kind = file.block_device ? &reader_device_kind : &reader_file_kind;
    raw->base.size = file.size;
    raw->cache = page_cache_new(file.fd, file.size);
    raw->file = file;
    file.fd = -1;
    *ret = &raw->base;
    return 0;
}
