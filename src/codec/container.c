/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec/container.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "base/array.h"
#include "base/io.h"
#include "base/units.h"
#include "codec/container_format.h"

struct container_writer {
    const struct container_format *format; /* NULL for none */
    void *state;                           /* owned, the format's */
    uint64_t count;
};

/* none has no framing. */
static const struct container_format *const formats[] = {
    [CODEC_LZMA] = &container_format_xz,
    [CODEC_ZSTD] = &container_format_zstd,
};

static const struct container_format *format_of(enum codec_type type)
{
    assert((size_t)type < ARRAY_COUNT(formats));
    return formats[type];
}

bool container_starts(enum codec_type type, const uint8_t data[static CONTAINER_START_SIZE])
{
    const struct container_format *format = format_of(type);

    return !format || format->starts(data);
}

/* ---- writing ---------------------------------------------------------------- */

struct container_writer *container_writer_new(enum codec_type type)
{
    struct container_writer *writer = mem_alloc(sizeof(*writer));

    writer->format = format_of(type);
    return writer;
}

int container_begin(struct container_writer *writer, struct buf *out, struct err *err)
{
    if (!writer->format)
        return 0;
    assert(!writer->state);
    writer->state = writer->format->writer_new();
    if (!writer->state)
        return err_set_errno(err, ENOMEM, "cannot start an index");
    return writer->format->begin(writer->state, out, err);
}

static int check_uncompressed(const struct result_block *block, struct err *err)
{
    if (block->stored_len != 0 && block->stored_len != block->raw_len)
        return err_set(err, ERR_CORRUPT,
                       "an uncompressed block of %" PRIu32 " bytes claims to hold %" PRIu32,
                       block->stored_len, block->raw_len);
    return 0;
}

int container_add(struct container_writer *writer, const struct result_block *block,
                  struct err *err)
{
    if (block->raw_len < 1 || block->raw_len > CODEC_CHUNK_MAX)
        return err_set(err, ERR_CORRUPT, "a block for %" PRIu32 " bytes", block->raw_len);
    if (!writer->format)
        return check_uncompressed(block, err);
    if (writer->count >= CONTAINER_MAX_BLOCKS)
        return err_set(err, ERR_UNSUPPORTED,
                       "more than %" PRIu64 " blocks: choose a larger chunk size",
                       CONTAINER_MAX_BLOCKS);
    if (writer->format->add(writer->state, block, err) < 0)
        return -1;
    writer->count++;
    return 0;
}

int container_end(struct container_writer *writer, struct buf *out, struct err *err)
{
    if (!writer->format)
        return 0;
    return writer->format->end(writer->state, out, err);
}

void container_writer_free(struct container_writer *writer)
{
    if (!writer)
        return;
    if (writer->format)
        writer->format->writer_free(writer->state);
    free(writer);
}

/* ---- reading ---------------------------------------------------------------- */

int container_pread(const struct container_place *place, uint64_t offset, void *data, size_t len,
                    struct err *err)
{
    uint64_t end;

    if (!units_add(offset, len, &end) || end > place->size)
        return err_set(err, ERR_CORRUPT, "is too short");
    return io_pread(place->fd, data, len, place->start + offset, err);
}

int container_index_reserve(struct container_index *index, uint64_t count, struct err *err)
{
    if (count > CONTAINER_MAX_BLOCKS)
        return err_set(err, ERR_CORRUPT, "its index lists %" PRIu64 " blocks, more than %" PRIu64,
                       count, CONTAINER_MAX_BLOCKS);
    index->blocks = calloc(count ? (size_t)count : 1, sizeof(*index->blocks));
    if (!index->blocks)
        return err_set_errno(err, ENOMEM, "cannot read its index");
    return 0;
}

int container_index_append(struct container_index *index, uint64_t offset, uint64_t stored_len,
                           uint64_t raw_len, struct err *err)
{
    if (stored_len < 1 || stored_len > UINT32_MAX || raw_len < 1 || raw_len > CODEC_CHUNK_MAX)
        return err_set(err, ERR_CORRUPT,
                       "its index gives block %zu %" PRIu64 " bytes for %" PRIu64 " of the image",
                       index->count, stored_len, raw_len);
    /* No sum can wrap: count is bounded, and so is each length. */
    index->blocks[index->count++] = (struct container_block){
        .offset = offset,
        .raw_offset = index->raw_size,
        .stored_len = (uint32_t)stored_len,
        .raw_len = (uint32_t)raw_len,
    };
    index->raw_size += raw_len;
    return 0;
}

int container_read(enum codec_type type, int fd, uint64_t start, uint64_t size,
                   struct container_index *ret, struct err *err)
{
    const struct container_format *format = format_of(type);
    const struct container_place place = {.fd = fd, .start = start, .size = size};
    struct container_index index CLEANUP_CONTAINER_INDEX = {0};
    uint64_t end;

    if (!format)
        return err_set(err, ERR_USAGE, "an uncompressed image has no index");
    if (!units_add(start, size, &end) || end > INT64_MAX)
        return err_set(err, ERR_CORRUPT, "a file cannot have %" PRIu64 " bytes after byte %" PRIu64,
                       size, start);
    if (format->read(&place, &index, err) < 0)
        return -1;
    *ret = index;
    index = (struct container_index){0};
    return 0;
}

void container_index_clear(struct container_index *index)
{
    free(index->blocks);
    *index = (struct container_index){0};
}
