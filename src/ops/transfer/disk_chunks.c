/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/transfer/disk_chunks.h"

#include <string.h>

#include "base/io.h"
#include "base/units.h"
#include "codec/chunk_digest.h"

static bool is_zero_part(const struct disk_part *part)
{
    return part->kind == DISK_ZERO || part->kind == DISK_SAME_ZERO;
}

static bool is_same_part(const struct disk_part *part)
{
    return part->kind == DISK_SAME || part->kind == DISK_SAME_ZERO;
}

/* Moves *until on from `start`, over parts that are so, until it is at `end` or behind it. */
static int pass_parts(struct disk_chunks *disk, bool (*is_so)(const struct disk_part *part),
                      uint64_t start, uint64_t end, uint64_t *until, struct err *err)
{
    if (*until < start)
        *until = start;
    while (*until < end) {
        struct disk_part part;
        if (disk_reader_map(disk->reader, *until, &part, err) < 0)
            return -1;
        if (!is_so(&part))
            break;
        *until += part.len;
    }
    return 0;
}

static uint64_t chunks_until(const struct disk_chunks *disk, uint64_t start, uint64_t until)
{
    return until == disk->raw_size ? units_div_up(until - start, disk->chunk_size)
                                   : (until - start) / disk->chunk_size;
}

static int disk_look(void *opaque, uint64_t id, struct chunk_run *ret, struct err *err)
{
    struct disk_chunks *disk = opaque;
    uint64_t start = id * disk->chunk_size;
    uint64_t end = start + chunk_raw_len(id, disk->chunk_size, disk->raw_size);

    *ret = (struct chunk_run){.kind = CHUNK_DATA, .count = 1};
    if (pass_parts(disk, is_zero_part, start, end, &disk->zero_until, err) < 0)
        return -1;
    if (disk->zero_until >= end) {
        ret->kind = CHUNK_ZERO;
        ret->count = chunks_until(disk, start, disk->zero_until);
        return 0;
    }
    if (!disk->increment)
        return 0;
    if (pass_parts(disk, is_same_part, start, end, &disk->same_until, err) < 0)
        return -1;
    if (disk->same_until >= end) {
        ret->kind = CHUNK_SAME;
        ret->count = chunks_until(disk, start, disk->same_until);
    }
    return 0;
}

static int disk_read(void *opaque, uint64_t id, void *data, size_t cap, size_t *ret_len,
                     enum chunk_kind *ret_kind, struct err *err)
{
    struct disk_chunks *disk = opaque;
    uint64_t len = chunk_raw_len(id, disk->chunk_size, disk->raw_size);

    if (len > cap)
        return err_set(err, ERR_INTERNAL, "no room for chunk %llu", (unsigned long long)id);
    if (disk_reader_read(disk->reader, id * disk->chunk_size, data, (size_t)len, err) < 0)
        return -1;
    disk->read += len;
    *ret_len = (size_t)len;
    *ret_kind = io_is_zero(data, (size_t)len) ? CHUNK_ZERO : CHUNK_DATA;
    return 0;
}

/* ---- blocks of an increment ---------------------------------------------------------------- */

static int find_same_blocks(void *opaque, uint64_t id, uint64_t *ret_same, struct err *err)
{
    struct disk_chunks *disk = opaque;
    uint64_t start = id * disk->chunk_size;
    uint64_t end = start + chunk_raw_len(id, disk->chunk_size, disk->raw_size);
    uint64_t same = 0;

    for (unsigned n = 0; start < end; n++) {
        uint64_t block_end = end - start < CHUNK_DIGEST_BLOCK ? end : start + CHUNK_DIGEST_BLOCK;
        uint64_t until = start;
        if (pass_parts(disk, is_same_part, start, block_end, &until, err) < 0)
            return -1;
        if (until >= block_end)
            same |= UINT64_C(1) << n;
        start = block_end;
    }
    *ret_same = same;
    return 0;
}

/* What is known to be zeros is not read. */
static int read_parts(struct disk_chunks *disk, uint64_t offset, uint8_t *data, uint64_t len,
                      struct err *err)
{
    for (uint64_t step; len > 0; offset += step, data += step, len -= step) {
        struct disk_part part;
        if (disk_reader_map(disk->reader, offset, &part, err) < 0)
            return -1;
        if (is_zero_part(&part)) {
            step = part.len < len ? part.len : len;
            memset(data, 0, (size_t)step);
            continue;
        }
        /* Up to the next zeros at once: several requests are answered at the same time. */
        for (step = 0; step < len && !is_zero_part(&part);) {
            step += part.len;
            if (step < len && disk_reader_map(disk->reader, offset + step, &part, err) < 0)
                return -1;
        }
        step = step < len ? step : len;
        if (disk_reader_read(disk->reader, offset, data, (size_t)step, err) < 0)
            return -1;
        disk->read += step;
    }
    return 0;
}

static int read_some_blocks(void *opaque, uint64_t id, uint64_t blocks, void *data, struct err *err)
{
    struct disk_chunks *disk = opaque;
    uint64_t start = id * disk->chunk_size;
    uint64_t len = chunk_raw_len(id, disk->chunk_size, disk->raw_size);

    for (uint64_t at = 0, end; at < len; at = end) {
        bool wanted = blocks >> at / CHUNK_DIGEST_BLOCK & 1;
        for (end = at; end < len && (blocks >> end / CHUNK_DIGEST_BLOCK & 1) == wanted;)
            end += CHUNK_DIGEST_BLOCK;
        if (end > len)
            end = len;
        if (wanted && read_parts(disk, start + at, (uint8_t *)data + at, end - at, err) < 0)
            return -1;
    }
    return 0;
}

struct chunk_source disk_chunks_source(struct disk_chunks *disk, struct disk_reader *reader,
                                       uint64_t chunk_size, bool increment)
{
    *disk = (struct disk_chunks){
        .reader = reader,
        .chunk_size = chunk_size,
        .raw_size = disk_reader_size(reader),
        .increment = increment,
    };
    return (struct chunk_source){
        .opaque = disk,
        .count = units_div_up(disk->raw_size, chunk_size),
        .chunk_size = chunk_size,
        .raw_size = disk->raw_size,
        .look = disk_look,
        .read = disk_read,
        .find_same = increment ? find_same_blocks : NULL,
        .read_blocks = increment ? read_some_blocks : NULL,
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
