/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/image.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bulk_writer.h"
#include "base/io.h"
#include "base/units.h"
#include "codec/result.h"
#include "record/content_digest.h"

struct image_writer {
    struct image_file file;
    struct image_layout layout; /* the head is not used after the beginning */
    uint64_t raw_done;          /* bytes of the image put so far */
    uint64_t raw_chained;       /* bytes whose digests have been chained */
    _Atomic uint64_t stored;    /* bytes of blocks */
    uint64_t offset;            /* of the end of the file, unless it is sparse */
    bool sparse;                /* codec none without a head: has holes, no SHA-256 */
    struct digest *sha256;      /* NULL if sparse */
    struct container_writer *container;
    struct content_digest *content;
    struct bulk_writer *bulk;
    struct buf table; /* of the result being put */
};

/* Writes the next bytes of a file that is written from start to end. */
static int emit_bytes(struct image_writer *writer, const void *data, size_t len, struct err *err)
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
        if (emit_bytes(writer, zeros, piece, err) < 0)
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

static int writer_begin(struct image_writer *writer, struct err *err)
{
    const struct image_layout *layout = &writer->layout;
    CLEANUP_BUF struct buf framing = {0};

    if (check_empty(writer->file.fd, err) < 0 ||
        container_begin(writer->container, &framing, err) < 0)
        return -1;
    if (writer->sparse)
        return 0;
    if (emit_bytes(writer, layout->head, layout->head_len, err) < 0)
        return -1;
    return emit_bytes(writer, framing.data, framing.len, err);
}

int image_writer_new(const struct image_file *file, const struct image_layout *layout,
                     struct image_writer **ret, struct err *err)
{
    CLEANUP(image_writer_freep) struct image_writer *writer = NULL;

    if (!units_is_power_of_two(layout->chunk_size) || layout->chunk_size > CODEC_CHUNK_MAX ||
        layout->raw_size > INT64_MAX)
        return err_set(err, ERR_INTERNAL, "%s: no image has %llu bytes in chunks of %llu",
                       file->path, (unsigned long long)layout->raw_size,
                       (unsigned long long)layout->chunk_size);
    writer = mem_alloc(sizeof(*writer));
    writer->file = *file;
    writer->layout = *layout;
    writer->sparse = layout->codec.type == CODEC_NONE && layout->head_len == 0;
    writer->sha256 = writer->sparse ? NULL : digest_new();
    writer->container = container_writer_new(layout->codec.type);
    writer->content = content_digest_new();
    writer->bulk = bulk_writer_new(file->fd, err);
    if (!writer->bulk || writer_begin(writer, err) < 0)
        return err_prefix(err, "%s", file->path);
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
        int failed = block.stored_len ? emit_bytes(writer, block.data, block.stored_len, err)
                                      : emit_zeros(writer, block.raw_len, err);
        if (failed)
            return -1;
        writer->stored += block.stored_len;
    }
    return 0;
}

static int check_output(struct image_writer *writer, const struct chunk_output *output,
                        struct result *ret, struct err *err)
{
    const struct image_layout *layout = &writer->layout;
    uint64_t expected = chunk_raw_len(output->id, layout->chunk_size, layout->raw_size);

    if (expected == 0)
        return err_set(err, ERR_INTERNAL, "the image has no chunk %llu",
                       (unsigned long long)output->id);
    if (!writer->sparse && output->id * layout->chunk_size != writer->raw_done)
        return err_set(err, ERR_INTERNAL, "chunk %llu came out of turn",
                       (unsigned long long)output->id);
    if (output->count > 1 &&
        output->count > (layout->raw_size - output->id * layout->chunk_size) / layout->chunk_size)
        return err_set(err, ERR_INTERNAL, "the image has no %llu full chunks from %llu on",
                       (unsigned long long)output->count, (unsigned long long)output->id);
    if (output->kind == CHUNK_SAME)
        return err_set(err, ERR_INTERNAL, "an archive stores every chunk itself");
    if (result_parse_shared(output->data, output->len, output->raw, &writer->table, ret, err) < 0)
        return -1;
    if (ret->raw_len != expected)
        return err_set(err, ERR_CORRUPT, "a child's result is for %u bytes, but the chunk has %llu",
                       ret->raw_len, (unsigned long long)expected);
    if (io_is_zero(ret->digest, DIGEST_SIZE))
        return err_set(err, ERR_CORRUPT, "a child's result has no digest");
    return 0;
}

/* True if it is a single run of zeros, for which nothing has to be written. */
static bool is_hole(const struct image_writer *writer, const struct result *result)
{
    struct result_cursor cursor = {0};
    struct result_block block;

    return writer->sparse && result->block_count == 1 && result_next(result, &cursor, &block) &&
           block.stored_len == 0;
}

static int put_chunks(struct image_writer *writer, const struct chunk_output *output,
                      struct err *err)
{
    uint64_t chunk_size = writer->layout.chunk_size;
    struct result result;

    if (check_output(writer, output, &result, err) < 0)
        return -1;
    if (output->count > 1 && is_hole(writer, &result)) {
        writer->raw_done += output->count * chunk_size;
        return 0;
    }
    for (uint64_t i = 0; i < output->count; i++) {
        int failed = writer->sparse
                         ? put_sparse(writer, (output->id + i) * chunk_size, &result, err)
                         : put_in_order(writer, &result, err);
        if (failed)
            return -1;
        writer->raw_done += result.raw_len;
    }
    return 0;
}

static int writer_put(void *opaque, const struct chunk_output *output, struct err *err)
{
    struct image_writer *writer = opaque;

    return put_chunks(writer, output, err) < 0 ? err_prefix(err, "%s", writer->file.path) : 0;
}

static void writer_chain(void *opaque, const uint8_t *digest, uint64_t count)
{
    struct image_writer *writer = opaque;
    uint64_t chunk_size = writer->layout.chunk_size;
    uint64_t left = writer->layout.raw_size - writer->raw_chained;

    content_digest_add(writer->content, digest, count);
    writer->raw_chained += left / chunk_size < count ? left : count * chunk_size;
}

static uint64_t writer_stored(void *opaque)
{
    const struct image_writer *writer = opaque;

    return writer->stored;
}

struct chunk_sink image_writer_sink(struct image_writer *writer)
{
    return (struct chunk_sink){
        .opaque = writer,
        .ordered = !writer->sparse,
        .runs = writer->sparse || writer->layout.codec.type != CODEC_NONE,
        .put = writer_put,
        .chain = writer_chain,
        .stored = writer_stored,
    };
}

static int write_end(struct image_writer *writer, struct err *err)
{
    CLEANUP_BUF struct buf framing = {0};

    if (container_end(writer->container, &framing, err) < 0)
        return -1;
    if (!writer->sparse)
        return emit_bytes(writer, framing.data, framing.len, err) < 0
                   ? -1
                   : bulk_writer_flush(writer->bulk, err);
    if (bulk_writer_flush(writer->bulk, err) < 0)
        return -1;
    /* The last chunk may have been a hole. */
    if (ftruncate(writer->file.fd, (off_t)writer->layout.raw_size) < 0)
        return err_set_errno(err, errno, "cannot set the file's size");
    writer->offset = writer->layout.raw_size;
    return 0;
}

int image_writer_finish(struct image_writer *writer, struct manifest_stored *ret, struct err *err)
{
    const struct image_layout *layout = &writer->layout;

    if (writer->raw_done != layout->raw_size || writer->raw_chained != layout->raw_size)
        return err_set(err, ERR_INTERNAL, "%s: %llu of %llu bytes of the image were written",
                       writer->file.path, (unsigned long long)writer->raw_done,
                       (unsigned long long)layout->raw_size);
    if (write_end(writer, err) < 0)
        return err_prefix(err, "%s", writer->file.path);
    ret->file.size = writer->offset;
    ret->file.has_sha256 = !writer->sparse;
    memset(ret->file.sha256, 0, sizeof(ret->file.sha256));
    if (ret->file.has_sha256)
        digest_finish(writer->sha256, ret->file.sha256);
    ret->codec = layout->codec;
    ret->image.chunk_size = layout->chunk_size;
    ret->image.raw_size = layout->raw_size;
    content_digest_finish(writer->content, ret->image.content);
    ret->image.has_content = true;
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
