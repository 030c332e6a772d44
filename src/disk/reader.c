/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/reader.h"

#include <inttypes.h>

#include "disk/bitmap.h"
#include "disk/cluster_map.h"
#include "disk/reader_impl.h"

/* qemu-nbd would guess the format of a backing file that has none recorded, so the whole chain is
 * checked before qemu-nbd may open the image. */
static int open_other(const struct reader_request *request, const struct format *format,
                      struct disk_reader **ret, struct err *err)
{
    CLEANUP_DISK_INFO struct disk_info info = {0};

    if (disk_inspect(request->path, format->name, &info, err) < 0)
        return -1;
    if (info.encrypted)
        return err_set(err, ERR_UNSUPPORTED,
                       "%s: is encrypted; encrypted images cannot be read without their secret",
                       request->path);
    if (disk_reader_open_nbd(request, format, &info, ret, err) < 0)
        return err_prefix(err, "%s", request->path);
    return 0;
}

int disk_reader_open_as(const struct reader_request *request, struct disk_reader **ret,
                        struct err *err)
{
    const struct format *format = disk_format_find(request->format, err);
    struct disk_reader *reader = NULL;

    if (!format || (format->is_raw && disk_reader_open_raw(request->path, &reader, err) < 0))
        return err_prefix(err, "%s", request->path);
    if (!format->is_raw && open_other(request, format, &reader, err) < 0)
        return -1;
    reader->path = mem_strdup(request->path);
    *ret = reader;
    return 0;
}

int disk_reader_open(const char *path, const char *format, struct disk_reader **ret,
                     struct err *err)
{
    return disk_reader_open_as(
        &(struct reader_request){path, format, .min_part = CLUSTER_MAP_MIN_PART}, ret, err);
}

/* qemu-nbd itself refuses a bitmap that is broken, but not one that does not note any more. */
int disk_reader_open_since(const char *path, const char *bitmap, struct disk_reader **ret,
                           struct err *err)
{
    const struct reader_request request = {path, "qcow2", bitmap, CLUSTER_MAP_MIN_PART};
    enum disk_bitmap_state state = DISK_BITMAP_ABSENT;

    if (disk_bitmap_look(path, bitmap, &state, err) < 0)
        return -1;
    if (state == DISK_BITMAP_ABSENT)
        return err_set(err, ERR_NOT_FOUND, "%s: has no bitmap '%s'", path, bitmap);
    if (state == DISK_BITMAP_BROKEN)
        return err_set(err, ERR_CORRUPT, "%s: its bitmap '%s' may have missed what was written",
                       path, bitmap);
    return disk_reader_open_as(&request, ret, err);
}

int disk_reader_open_export(const struct disk_export *export, struct disk_reader **ret,
                            struct err *err)
{
    struct disk_reader *reader = NULL;

    if (disk_reader_open_socket(export, &reader, err) < 0)
        return err_prefix(err, "%s", export->path);
    reader->path = mem_strdup(export->path);
    *ret = reader;
    return 0;
}

uint64_t disk_reader_size(const struct disk_reader *reader)
{
    return reader->size;
}

/* ---- map and read ------------------------------------------------------------------
 *
 * Who is asked, for each kind of image; its file has the functions:
 *
 *   image                             map                          read
 *   raw file (reader_raw.c)           its file system: SEEK_DATA   the file; long holes are not read
 *   block device (reader_raw.c)       nobody: all is data          the device
 *   chain of qcow2 and raw files      qemu-img map, some 70,000    the file that has the bytes as
 *   (reader_nbd.c)                    parts at a time              the guest sees them; else qemu-nbd
 *     its clusters that are           qemu-nbd: base:allocation    qemu-nbd
 *     compressed, short or unknown
 *     the same with a bitmap          qemu-nbd: the bitmap, then   the same
 *                                     as above
 *   any other image (reader_nbd.c)    qemu-nbd: base:allocation    qemu-nbd
 *   a running guest's disk            QEMU: base:allocation, and   QEMU
 *   (reader_export.c)                 a dirty bitmap
 *
 * A map may call zeros data, never the other way round, and whatever it says, read gives the bytes
 * that the guest sees. So an answer that is missing or odd costs speed, and nothing else; except
 * that a bitmap which the server does not have is refused at the start. What was answered stays
 * true because the files are locked, and those of a running guest are behind QEMU's fixed point in
 * time. */

static int check_read_range(const struct disk_reader *reader, uint64_t offset, uint64_t len,
                            struct err *err)
{
    if (offset <= reader->size && len <= reader->size - offset)
        return 0;
    return err_set(err, ERR_INTERNAL,
                   "%s: read past the end of the image: %" PRIu64 " at %" PRIu64 " of %" PRIu64,
                   reader->path, len, offset, reader->size);
}

int disk_reader_map(struct disk_reader *reader, uint64_t offset, struct disk_part *ret,
                    struct err *err)
{
    if (check_read_range(reader, offset, 1, err) < 0)
        return -1;
    if (reader->kind->map(reader, offset, ret, err) < 0)
        return err_prefix(err, "%s", reader->path);
    return 0;
}

int disk_reader_read(struct disk_reader *reader, uint64_t offset, void *data, size_t len,
                     struct err *err)
{
    if (check_read_range(reader, offset, len, err) < 0)
        return -1;
    if (reader->kind->read(reader, offset, data, len, err) < 0)
        return err_prefix(err, "%s", reader->path);
    return 0;
}

bool disk_reader_hold(const struct disk_reader *reader, size_t n, struct disk_hold *ret)
{
    return reader->kind->hold && reader->kind->hold(reader, n, ret);
}

void disk_reader_cut(struct disk_reader *reader)
{
    if (reader->kind->cut)
        reader->kind->cut(reader);
}

void disk_reader_close(struct disk_reader *reader)
{
    if (!reader)
        return;
    free(reader->path);
    reader->kind->close(reader);
}
