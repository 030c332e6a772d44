/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/image.h"
#include "base/bulk_writer.h"
#include "base/io.h"
#include "base/units.h"
#include "codec/container.h"
#include "codec/result.h"

struct image_writer {
    int fd; /* borrowed */
    struct codec_spec codec;
    uint64_t chunk_size;
    uint64_t raw_size;
    uint64_t raw_done;     /* bytes of the image put so far */
    uint64_t raw_chained;  /* bytes whose digests have been chained */
    uint64_t stored;       /* bytes of blocks */
    uint64_t offset;       /* of the end of the file, unless it is sparse */
    bool sparse;           /* codec none without a head: has holes, no SHA-256 */
    struct digest *sha256; /* NULL if sparse */
    struct container_writer *container;
    struct content_digest *content;
    struct bulk_writer *bulk;
    struct buf table; /* of the result being put */
};

/* Writes the next bytes of a file that is written from start to end. */
static int emit(struct image_writer *writer, const void *data, size_t len, struct err *err)
{
    digest_add(writer->sha256, data, len);
    if (bulk_writer_write(writer->bulk, data, len, writer->offset, err) < 0)
        return -1;
    writer->offset += len;
    return 0;
}

static int emit_zeros(struct image_writer *writer, uint64_t len, struct err *err)
{
    static const uint8_t zeros[64 << 10];

    while (len > 0) {
        size_t piece = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);
        if (emit(writer, zeros, piece, err) < 0)
            return -1;
        len -= piece;
    }
    return 0;
}

static int check_empty(int fd, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_set_errno(err, errno, "cannot stat the file");
    if (st.st_size != 0)
        return err_set(err, ERR_INTERNAL, "the file to be written is not empty");
    return 0;
}

static int begin(struct image_writer *writer, const void *head, size_t head_len, struct err *err)
{
    CLEANUP_BUF struct buf framing = {0};

    if (container_begin(writer->container, &framing, err) < 0)
        return -1;
    if (writer->sparse)
        return 0;
    if (emit(writer, head, head_len, err) < 0)
        return -1;
    return emit(writer, framing.data, framing.len, err);
}

int image_writer_new(int fd, const struct codec_spec *codec, uint64_t chunk_size, uint64_t raw_size,
                     const void *head, size_t head_len, struct image_writer **ret, struct err *err)
{
    CLEANUP(image_writer_freep) struct image_writer *writer = NULL;

    if (!units_is_power_of_two(chunk_size) || chunk_size > CODEC_CHUNK_MAX || raw_size > INT64_MAX)
        return err_set(err, ERR_INTERNAL, "no image has %llu bytes in chunks of %llu",
                       (unsigned long long)raw_size, (unsigned long long)chunk_size);
    if (check_empty(fd, err) < 0)
        return -1;
    writer = mem_alloc(sizeof(*writer));
    writer->fd = fd;
    writer->bulk = bulk_writer_new(fd, err);
    if (!writer->bulk)
        return -1;
    writer->codec = *codec;
    writer->chunk_size = chunk_size;
    writer->raw_size = raw_size;
    writer->sparse = codec->type == CODEC_NONE && head_len == 0;
    writer->sha256 = writer->sparse ? NULL : digest_new();
    writer->container = container_writer_new(codec->type);
    writer->content = content_digest_new();
    if (begin(writer, head, head_len, err) < 0)
        return -1;
    *ret = TAKE_PTR(writer);
    return 0;
}

/* Data goes to its offset; a run of zeros is skipped. */
static int put_sparse(struct image_writer *writer, uint64_t offset, const struct result *result,
                      struct err *err)
{
    struct result_cursor cursor = {0};
    struct result_block block;

    while (result_next(result, &cursor, &block)) {
        if (container_add(writer->container, &block, err) < 0)
            return -1;
        if (block.stored_len &&
            bulk_writer_write(writer->bulk, block.data, block.stored_len, offset, err) < 0)
            return -1;
        offset += block.raw_len;
        writer->stored += block.stored_len;
    }
    return 0;
}

static int put_in_order(struct image_writer *writer, const struct result *result, struct err *err)
{
    struct result_cursor cursor = {0};
    struct result_block block;

    while (result_next(result, &cursor, &block)) {
        if (container_add(writer->container, &block, err) < 0)
            return -1;
        int failed = block.stored_len ? emit(writer, block.data, block.stored_len, err)
                                      : emit_zeros(writer, block.raw_len, err);
        if (failed)
            return -1;
        writer->stored += block.stored_len;
    }
    return 0;
}

bool image_writer_is_ordered(const struct image_writer *writer)
{
    return !writer->sparse;
}

bool image_writer_takes_runs(const struct image_writer *writer)
{
    return writer->sparse || writer->codec.type != CODEC_NONE;
}

/* Bytes of the image from chunk id on; 0 if there is no such chunk. */
static uint64_t bytes_from(const struct image_writer *writer, uint64_t id)
{
    return id < units_div_up(writer->raw_size, writer->chunk_size)
               ? writer->raw_size - id * writer->chunk_size
               : 0;
}

uint64_t image_writer_stored(const struct image_writer *writer)
{
    return writer->stored;
}

/* Checks the result of chunk id before it is put. */
static int take(struct image_writer *writer, uint64_t id, const struct image_result *result,
                struct result *ret, struct err *err)
{
    uint64_t left = bytes_from(writer, id);
    uint64_t expected = left < writer->chunk_size ? left : writer->chunk_size;

    if (left == 0)
        return err_set(err, ERR_INTERNAL, "the image has no chunk %llu", (unsigned long long)id);
    if (!writer->sparse && id * writer->chunk_size != writer->raw_done)
        return err_set(err, ERR_INTERNAL, "chunk %llu came out of turn", (unsigned long long)id);
    if (result_parse_shared(result->data, result->len, result->raw, &writer->table, ret, err) < 0)
        return -1;
    if (ret->raw_len != expected)
        return err_set(err, ERR_CORRUPT, "a child's result is for %u bytes, but the chunk has %llu",
                       ret->raw_len, (unsigned long long)expected);
    if (io_is_zero(ret->digest, DIGEST_SIZE))
        return err_set(err, ERR_CORRUPT, "a child's result has no digest");
    return 0;
}

static int put(struct image_writer *writer, uint64_t id, const struct result *result,
               struct err *err)
{
    int failed = writer->sparse ? put_sparse(writer, id * writer->chunk_size, result, err)
                                : put_in_order(writer, result, err);

    if (failed)
        return -1;
    writer->raw_done += result->raw_len;
    return 0;
}

int image_writer_put(struct image_writer *writer, uint64_t id, const struct image_result *result,
                     struct err *err)
{
    struct result taken;

    return take(writer, id, result, &taken, err) < 0 ? -1 : put(writer, id, &taken, err);
}

/* True if it is a single run of zeros, for which nothing has to be written. */
static bool is_hole(const struct image_writer *writer, const struct result *result)
{
    struct result_cursor cursor = {0};
    struct result_block block;

    return writer->sparse && result->block_count == 1 && result_next(result, &cursor, &block) &&
           block.stored_len == 0;
}

int image_writer_put_zeros(struct image_writer *writer, const struct image_run *run,
                           const struct image_result *result, struct err *err)
{
    struct result taken;

    if (run->count > bytes_from(writer, run->id) / writer->chunk_size)
        return err_set(err, ERR_INTERNAL, "the image has no %llu full chunks from %llu on",
                       (unsigned long long)run->count, (unsigned long long)run->id);
    if (take(writer, run->id, result, &taken, err) < 0)
        return -1;
    if (is_hole(writer, &taken)) {
        writer->raw_done += run->count * writer->chunk_size;
        return 0;
    }
    for (uint64_t i = 0; i < run->count; i++)
        if (put(writer, run->id + i, &taken, err) < 0)
            return -1;
    return 0;
}

void image_writer_chain(struct image_writer *writer, const uint8_t *digest, uint64_t count)
{
    uint64_t left = writer->raw_size - writer->raw_chained;

    content_digest_add(writer->content, digest, count);
    writer->raw_chained += left / writer->chunk_size < count ? left : count * writer->chunk_size;
}

static int end(struct image_writer *writer, struct err *err)
{
    CLEANUP_BUF struct buf framing = {0};

    if (container_end(writer->container, &framing, err) < 0)
        return -1;
    if (!writer->sparse)
        return emit(writer, framing.data, framing.len, err) < 0
                   ? -1
                   : bulk_writer_flush(writer->bulk, err);
    if (bulk_writer_flush(writer->bulk, err) < 0)
        return -1;
    /* The last chunk may have been a hole. */
    if (ftruncate(writer->fd, (off_t)writer->raw_size) < 0)
        return err_set_errno(err, errno, "cannot set the file's size");
    writer->offset = writer->raw_size;
    return 0;
}

int image_writer_finish(struct image_writer *writer, struct manifest_stored *ret, struct err *err)
{
    if (writer->raw_done != writer->raw_size || writer->raw_chained != writer->raw_size)
        return err_set(err, ERR_INTERNAL, "%llu of %llu bytes of the image were written",
                       (unsigned long long)writer->raw_done, (unsigned long long)writer->raw_size);
    if (end(writer, err) < 0)
        return -1;
    ret->file.size = writer->offset;
    ret->file.has_sha256 = !writer->sparse;
    memset(ret->file.sha256, 0, sizeof(ret->file.sha256));
    if (ret->file.has_sha256)
        digest_finish(writer->sha256, ret->file.sha256);
    ret->codec = writer->codec;
    ret->image.chunk_size = writer->chunk_size;
    ret->image.raw_size = writer->raw_size;
    content_digest_finish(writer->content, ret->image.content);
    return 0;
}

void image_writer_free(struct image_writer *writer)
{
    if (!writer)
        return;
    bulk_writer_free(writer->bulk);
    buf_clear(&writer->table);
    digest_free(writer->sha256);
    container_writer_free(writer->container);
    content_digest_free(writer->content);
    free(writer);
}
