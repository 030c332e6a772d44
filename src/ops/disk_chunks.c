/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/disk_chunks.h"

#include "base/io.h"
#include "base/units.h"

static int disk_look(void *opaque, uint64_t id, struct chunk_run *ret, struct err *err)
{
    struct disk_chunks *disk = opaque;
    uint64_t start = id * disk->chunk_size;
    uint64_t end = start + chunk_raw_len(id, disk->chunk_size, disk->raw_size);
    uint64_t at = start;

    if (disk->zero_until > at)
        at = disk->zero_until;
    while (at < end) {
        struct disk_part part;
        if (disk_reader_map(disk->reader, at, &part, err) < 0)
            return -1;
        if (part.kind != DISK_ZERO) {
            *ret = (struct chunk_run){.kind = CHUNK_DATA, .count = 1};
            return 0;
        }
        at += part.len;
        disk->zero_until = at;
    }
    ret->kind = CHUNK_ZERO;
    ret->count = at == disk->raw_size ? units_div_up(at - start, disk->chunk_size)
                                      : (at - start) / disk->chunk_size;
    return 0;
}

static int disk_read(void *opaque, uint64_t id, void *data, size_t cap, size_t *ret_len,
                     enum chunk_kind *ret_kind, struct err *err)
{
    const struct disk_chunks *disk = opaque;
    uint64_t len = chunk_raw_len(id, disk->chunk_size, disk->raw_size);

    if (len > cap)
        return err_set(err, ERR_INTERNAL, "no room for chunk %llu", (unsigned long long)id);
    if (disk_reader_read(disk->reader, id * disk->chunk_size, data, (size_t)len, err) < 0)
        return -1;
    *ret_len = (size_t)len;
    *ret_kind = io_is_zero(data, (size_t)len) ? CHUNK_ZERO : CHUNK_DATA;
    return 0;
}

struct chunk_source disk_chunks_source(struct disk_chunks *disk, struct disk_reader *reader,
                                       uint64_t chunk_size)
{
    *disk = (struct disk_chunks){
        .reader = reader,
        .chunk_size = chunk_size,
        .raw_size = disk_reader_size(reader),
    };
    return (struct chunk_source){
        .opaque = disk,
        .count = units_div_up(disk->raw_size, chunk_size),
        .chunk_size = chunk_size,
        .raw_size = disk->raw_size,
        .look = disk_look,
        .read = disk_read,
    };
}

static int disk_put(void *opaque, const struct chunk_output *output, struct err *err)
{
    const struct disk_chunks *disk = opaque;
    uint64_t offset = output->id * disk->chunk_size;

    return output->kind == CHUNK_ZERO
               ? disk_writer_zero(disk->writer, offset, output->raw_len, err)
               : disk_writer_write(disk->writer, offset, output->data, output->len, err);
}

struct chunk_sink disk_chunks_sink(struct disk_chunks *disk, struct disk_writer *writer,
                                   uint64_t chunk_size)
{
    *disk = (struct disk_chunks){.writer = writer, .chunk_size = chunk_size};
    return (struct chunk_sink){.opaque = disk, .put = disk_put};
}
