/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/transfer/file_chunks.h"

#include <errno.h>
#include <unistd.h>

#include "base/io.h"
#include "base/units.h"

static int file_look(void *opaque, uint64_t id, struct chunk_run *ret, struct err *err)
{
    const struct file_chunks *file = opaque;
    uint64_t at = id * file->chunk_size;
    off_t data = lseek(file->fd, (off_t)(file->start + at), SEEK_DATA);

    (void)err;
    *ret = (struct chunk_run){.kind = CHUNK_DATA, .count = 1};
    /* The rest is a hole, unless the file has become too short. */
    if (data < 0 && errno == ENXIO &&
        lseek(file->fd, 0, SEEK_END) >= (off_t)(file->start + file->raw_size))
        *ret = (struct chunk_run){CHUNK_ZERO, units_div_up(file->raw_size - at, file->chunk_size),
                                  NULL};
    uint64_t hole = data < 0 ? 0 : ((uint64_t)data - file->start - at) / file->chunk_size;
    uint64_t whole = (file->raw_size - at) / file->chunk_size;
    if (hole > 0 && whole > 0)
        *ret = (struct chunk_run){CHUNK_ZERO, hole < whole ? hole : whole, NULL};
    return 0;
}

static int file_read(void *opaque, uint64_t id, void *data, size_t cap, size_t *ret_len,
                     enum chunk_kind *ret_kind, struct err *err)
{
    const struct file_chunks *file = opaque;
    uint64_t len = chunk_raw_len(id, file->chunk_size, file->raw_size);

    if (len > cap)
        return err_set(err, ERR_INTERNAL, "no room for chunk %llu", (unsigned long long)id);
    if (io_pread(file->fd, data, (size_t)len, file->start + id * file->chunk_size, err) < 0)
        return err_prefix(err, "%s", file->path);
    *ret_len = (size_t)len;
    *ret_kind = io_is_zero(data, (size_t)len) ? CHUNK_ZERO : CHUNK_DATA;
    return 0;
}

struct chunk_source file_chunks_source(struct file_chunks *file)
{
    return (struct chunk_source){
        .opaque = file,
        .count = units_div_up(file->raw_size, file->chunk_size),
        .chunk_size = file->chunk_size,
        .raw_size = file->raw_size,
        .look = file_look,
        .read = file_read,
    };
}

static int file_put(void *opaque, const struct chunk_output *output, struct err *err)
{
    const struct file_chunks *file = opaque;
    uint64_t offset = file->start + output->id * file->chunk_size;

    if (output->kind == CHUNK_ZERO)
        return 0;
    if (io_pwrite(file->fd, output->data, output->len, offset, err) < 0)
        return err_prefix(err, "%s", file->path);
    return 0;
}

struct chunk_sink file_chunks_sink(struct file_chunks *file)
{
    return (struct chunk_sink){.opaque = file, .put = file_put};
}
