/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A run is written as the gap of zeros before it, its length, and where it begins: 0, with the block
 * after the last one of the run before, in the same pack; else 1 + the zigzag of how far its pack's
 * place is from that of the run before, and then its first block.
 */
#include "repository/format/map.h"

#include <inttypes.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "repository/format/varint.h"

/* 0, -1, 1, -2, 2 ... as 0, 1, 2, 3, 4 ... */
static uint64_t zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0);
}

static int64_t unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1 ^ (value & 1 ? UINT64_MAX : 0));
}

/* ---- writing --------------------------------------------------------------------------------- */

void map_writer_begin(struct map_writer *writer, uint64_t image_size)
{
    *writer = (struct map_writer){0};
    buf_put_be64(&writer->bytes, image_size);
}

static void write_pending(struct map_writer *writer)
{
    const struct map_run *run = &writer->pending;
    const struct map_run *last = &writer->last;

    if (run->count == 0)
        return;
    varint_put(&writer->bytes, run->block - writer->end);
    varint_put(&writer->bytes, run->count);
    if (last->count > 0 && run->pack == last->pack && run->first == last->first + last->count) {
        varint_put(&writer->bytes, 0);
    } else {
        varint_put(&writer->bytes, 1 + zigzag((int64_t)run->pack - (int64_t)last->pack));
        varint_put(&writer->bytes, run->first);
    }
    writer->end = run->block + run->count;
    writer->last = *run;
}

void map_writer_add(struct map_writer *writer, const struct map_run *run)
{
    struct map_run *pending = &writer->pending;

    if (pending->count > 0 && run->block == pending->block + pending->count &&
        run->pack == pending->pack && run->first == pending->first + pending->count) {
        pending->count += run->count;
        return;
    }
    write_pending(writer);
    *pending = *run;
}

void map_writer_finish(struct map_writer *writer, struct buf *ret)
{
    write_pending(writer);
    *ret = writer->bytes;
    *writer = (struct map_writer){0};
}

void map_writer_copy(const struct map_writer *writer, struct buf *ret)
{
    struct map_writer copy = *writer;

    copy.bytes = (struct buf){0};
    buf_append(&copy.bytes, writer->bytes.data, writer->bytes.len);
    write_pending(&copy);
    buf_append(ret, copy.bytes.data, copy.bytes.len);
    buf_clear(&copy.bytes);
}

void map_writer_clear(struct map_writer *writer)
{
    buf_clear(&writer->bytes);
}

/* ---- reading --------------------------------------------------------------------------------- */

uint64_t map_max_len(uint64_t image_size)
{
    uint64_t max = LIMITS_MAP_HEAD + units_div_up(image_size, LIMITS_BLOCK) * LIMITS_MAP_BLOCK;

    return max < LIMITS_MAP ? max : LIMITS_MAP;
}

int map_reader_begin(struct map_reader *reader, const void *data, size_t len,
                     const struct map_packs *packs, struct err *err)
{
    struct map_reader made = {.reader = reader_of(data, len), .packs = packs};

    made.size = reader_be64(&made.reader);
    if (reader_check(&made.reader, "a map", err) < 0)
        return -1;
    if (made.size > LIMITS_IMAGE)
        return err_set(err, ERR_CORRUPT, "an image cannot have %" PRIu64 " bytes", made.size);
    if (len > map_max_len(made.size))
        return err_set(err, ERR_CORRUPT, "a map of %zu bytes is too long for its image", len);
    made.blocks = units_div_up(made.size, LIMITS_BLOCK);
    *reader = made;
    return 0;
}

/* *ret->count is known. */
static int read_place(struct map_reader *reader, struct map_run *ret, struct err *err)
{
    const struct map_run *last = &reader->last;
    uint64_t code = varint_get(&reader->reader);
    uint64_t pack = last->pack;
    uint64_t first = (uint64_t)last->first + last->count;

    if (reader_check(&reader->reader, "a map", err) < 0)
        return -1;
    if (code == 0 && last->count == 0)
        return err_set(err, ERR_CORRUPT, "the first run of a map names no pack");
    if (code > 0) {
        uint64_t distance = 0;
        int64_t signed_distance = unzigzag(code - 1);
        distance = signed_distance < 0 ? -(uint64_t)signed_distance : (uint64_t)signed_distance;
        if (distance > LIMITS_POINT_PACKS)
            return err_set(err, ERR_CORRUPT, "a run of a map is in no pack");
        pack = signed_distance < 0 ? pack - distance : pack + distance;
        first = varint_get(&reader->reader);
    }
    if (reader_check(&reader->reader, "a map", err) < 0)
        return -1;
    if (pack >= reader->packs->count) /* below zero, too */
        return err_set(err, ERR_CORRUPT, "a run of a map is in no pack");
    uint32_t blocks = reader->packs->block_counts[pack];
    if (first > blocks || ret->count > blocks - first)
        return err_set(err, ERR_CORRUPT, "a run of a map goes beyond its pack");
    ret->pack = (uint32_t)pack;
    ret->first = (uint32_t)first;
    return 0;
}

int map_reader_next(struct map_reader *reader, struct map_run *ret, struct err *err)
{
    struct map_run run = {0};

    if (reader->reader.left == 0)
        return 0;
    uint64_t gap = varint_get(&reader->reader);
    run.count = varint_get(&reader->reader);
    if (reader_check(&reader->reader, "a map", err) < 0)
        return -1;
    if (run.count == 0)
        return err_set(err, ERR_CORRUPT, "a run of a map is empty");
    if (gap > reader->blocks - reader->end || run.count > reader->blocks - reader->end - gap)
        return err_set(err, ERR_CORRUPT, "a run of a map goes beyond its image");
    run.block = reader->end + gap;
    if (read_place(reader, &run, err) < 0)
        return -1;
    reader->end = run.block + run.count;
    reader->last = run;
    *ret = run;
    return 1;
}
