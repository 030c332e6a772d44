/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/writer.h"

#include <fcntl.h>
#include <inttypes.h>

#include "base/io.h"
#include "base/units.h"
#include "disk/writer_impl.h"

/* Prefixes the path, and says how much room is missing if the file system is full. */
static int explain_write_failure(const char *path, const struct local_file *file,
                                 uint64_t image_size, struct err *err)
{
    char need[UNITS_TEXT_SIZE];
    char have[UNITS_TEXT_SIZE];
    uint64_t free_bytes = 0;

    if (err && err->kind == ERR_NO_SPACE && file->fd >= 0 && !file->block_device &&
        io_free_space(file->fd, &free_bytes, NULL) == 0)
        err_append(err, "the image needs up to %s (%" PRIu64 " bytes), but only %s are free",
                   units_format_size(image_size, need), image_size,
                   units_format_size(free_bytes, have));
    return err_prefix(err, "%s", path);
}

static int open_target(const struct disk_target *target, const struct format *format,
                       struct local_file *ret, struct err *err)
{
    if (!format->writable)
        return err_set(err, ERR_UNSUPPORTED, "images of format %s cannot be written", format->name);
    if (target->image_size > INT64_MAX)
        return err_set(err, ERR_UNSUPPORTED, "an image of %" PRIu64 " bytes cannot be written",
                       target->image_size);
    if (!target->block_device)
        return local_create(target->path, target->in_folder ? target->folder_fd : -1, ret, err);
    if (!format->on_device)
        return err_set(err, ERR_UNSUPPORTED,
                       "a %s image cannot be written onto a block device; raw and qcow2 can",
                       format->name);
    if (local_open(target->path, O_RDWR | O_EXCL, ret, err) < 0)
        return -1;
    return ret->block_device ? 0 : err_set(err, ERR_UNSUPPORTED, "is not a block device");
}

static int make_writer(const struct disk_target *target, const struct format *format,
                       struct local_file *file, struct disk_writer **ret, struct err *err)
{
    if (!format->is_raw)
        return disk_writer_new_nbd(target, format, file, ret, err);
    if (target->block_device)
        return disk_writer_new_device(target, file, ret, err);
    return disk_writer_new_file(target, file, ret, err);
}

int disk_writer_create(const struct disk_target *target, struct disk_writer **ret, struct err *err)
{
    CLEANUP_LOCAL struct local_file file = LOCAL_FILE_INIT;
    struct disk_writer *writer = NULL;
    const struct format *format = disk_format_find(target->format, err);

    if (!format || open_target(target, format, &file, err) < 0)
        return err_prefix(err, "%s", target->path);
    if (make_writer(target, format, &file, &writer, err) < 0) {
        explain_write_failure(target->path, &file, target->image_size, err);
        if (!target->block_device)
            local_unlink(&file);
        return -1;
    }
    writer->path = mem_strdup(target->path);
    writer->size = target->image_size;
    writer->file = file;
    writer->is_new = !target->block_device;
    file = LOCAL_FILE_INIT;
    *ret = writer;
    return 0;
}

static int check_write_range(const struct disk_writer *writer, uint64_t offset, uint64_t len,
                             struct err *err)
{
    if (writer->finished)
        return err_set(err, ERR_INTERNAL, "%s: already finished", writer->path);
    if (offset <= writer->size && len <= writer->size - offset)
        return 0;
    return err_set(err, ERR_INTERNAL,
                   "%s: write past the end of the image: %" PRIu64 " at %" PRIu64 " of %" PRIu64,
                   writer->path, len, offset, writer->size);
}

/* Length of the run at data + at that is either all zeros or contains no aligned run of zeros. */
static size_t next_run(const uint8_t *data, size_t len, uint64_t offset, size_t hole_size,
                       bool *ret_zero)
{
    size_t at = 0;

    while (at < len) {
        size_t to_boundary = hole_size - (size_t)((offset + at) % hole_size);
        size_t part = len - at < to_boundary ? len - at : to_boundary;
        bool zero = part == hole_size && io_is_zero(data + at, part);
        if (at == 0)
            *ret_zero = zero;
        else if (zero != *ret_zero)
            break;
        at += part;
    }
    return at;
}

static int write_runs(struct disk_writer *writer, uint64_t offset, const uint8_t *data, size_t len,
                      struct err *err)
{
    const struct writer_kind *kind = writer->kind;

    for (size_t at = 0; at < len;) {
        bool zero = false;
        size_t run = len - at;
        if (kind->hole_size)
            run = next_run(data + at, len - at, offset + at, kind->hole_size, &zero);
        if (!zero && kind->write(writer, offset + at, data + at, run, err) < 0)
            return -1;
        at += run;
    }
    return 0;
}

int disk_writer_write(struct disk_writer *writer, uint64_t offset, const void *data, size_t len,
                      struct err *err)
{
    if (check_write_range(writer, offset, len, err) < 0)
        return -1;
    if (write_runs(writer, offset, data, len, err) == 0)
        return 0;
    return explain_write_failure(writer->path, &writer->file, writer->size, err);
}

int disk_writer_zero(struct disk_writer *writer, uint64_t offset, uint64_t len, struct err *err)
{
    if (check_write_range(writer, offset, len, err) < 0)
        return -1;
    if (!writer->kind->zero || writer->kind->zero(writer, offset, len, err) == 0)
        return 0;
    return explain_write_failure(writer->path, &writer->file, writer->size, err);
}

int disk_writer_finish(struct disk_writer *writer, struct err *err)
{
    if (check_write_range(writer, 0, 0, err) < 0)
        return -1;
    if (writer->kind->finish(writer, err) < 0)
        return explain_write_failure(writer->path, &writer->file, writer->size, err);
    if (writer->is_new && local_sync_folder(&writer->file, err) < 0)
        return err_prefix(err, "%s", writer->path);
    writer->finished = true;
    local_close(&writer->file);
    return 0;
}

void disk_writer_free(struct disk_writer *writer)
{
    if (!writer)
        return;
    writer->kind->free(writer);
    if (writer->is_new && !writer->finished)
        local_unlink(&writer->file);
    local_close(&writer->file);
    free(writer->path);
    free(writer);
}
