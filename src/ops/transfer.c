/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/transfer.h"

#include <stdatomic.h>
#include <string.h>

#include "base/io.h"
#include "base/units.h"

/* ---- progress ----------------------------------------------------------------- */

struct run {
    struct transfer *transfer;
    uint64_t started_ms;
    uint64_t total;
    _Atomic uint64_t stored; /* counted where it is put, in another thread */
};

static void on_tick(void *opaque, uint64_t raw_bytes_done)
{
    const struct run *run = opaque;
    const struct transfer *transfer = run->transfer;
    const struct progress progress = {
        .guest = transfer->guest,
        .what = transfer->what,
        .done = raw_bytes_done,
        .total = run->total,
        .stored = run->stored,
        .elapsed_ms = units_now_ms() - run->started_ms,
    };

    transfer->report->progress(transfer->report->opaque, &progress);
}

static int run_pool(struct run *run, const struct chunk_source *source,
                    const struct chunk_sink *sink, struct err *err)
{
    struct pool_stats stats = {0};
    struct children *children = run->transfer->children;
    const struct pool_progress progress = {.opaque = run, .tick = on_tick};

    run->started_ms = units_now_ms();
    run->total = source->raw_size;
    if (pool_run(children->pool, source, sink, &progress, &stats, err) < 0)
        return -1;
    work_add(&children->work, &stats, pool_children(children->pool), children->plan.cpus);
    return 0;
}

/* ---- encoding: sources ---------------------------------------------------------- */

struct span {
    uint64_t offset;
    uint64_t len;
};

static struct span span_of(uint64_t id, uint64_t chunk_size, uint64_t raw_size)
{
    uint64_t offset = id * chunk_size;
    uint64_t left = raw_size - offset;

    return (struct span){offset, left < chunk_size ? left : chunk_size};
}

struct disk_source {
    struct limit *limit;
    struct disk_reader *reader;
    uint64_t chunk_size;
    uint64_t raw_size;
    uint64_t zero_until; /* known zeros, from before the current chunk up to here */
};

static int disk_look(void *opaque, uint64_t id, uint64_t *ret_zeros, struct err *err)
{
    struct disk_source *source = opaque;
    uint64_t start = id * source->chunk_size;
    uint64_t end = start + span_of(id, source->chunk_size, source->raw_size).len;
    uint64_t at = start;

    if (source->zero_until > at)
        at = source->zero_until;
    while (at < end) {
        uint64_t len = 0;
        bool zero = false;
        if (disk_reader_map(source->reader, at, &len, &zero, err) < 0)
            return -1;
        if (!zero) {
            *ret_zeros = 0;
            return 0;
        }
        at += len;
        source->zero_until = at;
    }
    *ret_zeros = at == source->raw_size ? units_div_up(at - start, source->chunk_size)
                                        : (at - start) / source->chunk_size;
    return 0;
}

static enum chunk_kind kind_of(const void *data, size_t len)
{
    return io_is_zero(data, len) ? CHUNK_ZERO : CHUNK_DATA;
}

static int disk_read(void *opaque, uint64_t id, void *data, size_t cap, size_t *ret_len,
                     enum chunk_kind *ret_kind, struct err *err)
{
    const struct disk_source *source = opaque;
    struct span span = span_of(id, source->chunk_size, source->raw_size);

    if (span.len > cap)
        return err_set(err, ERR_INTERNAL, "no room for chunk %llu", (unsigned long long)id);
    if (limit_take(source->limit, span.len, err) < 0 ||
        disk_reader_read(source->reader, span.offset, data, (size_t)span.len, err) < 0)
        return -1;
    *ret_len = (size_t)span.len;
    *ret_kind = kind_of(data, (size_t)span.len);
    return 0;
}

struct file_source {
    struct limit *limit;
    int fd;
    uint64_t start;
    uint64_t chunk_size;
    uint64_t raw_size;
};

static int file_look(void *opaque, uint64_t id, uint64_t *ret_zeros, struct err *err)
{
    (void)opaque;
    (void)id;
    (void)err;
    *ret_zeros = 0;
    return 0;
}

static int file_read(void *opaque, uint64_t id, void *data, size_t cap, size_t *ret_len,
                     enum chunk_kind *ret_kind, struct err *err)
{
    const struct file_source *source = opaque;
    struct span span = span_of(id, source->chunk_size, source->raw_size);

    if (span.len > cap)
        return err_set(err, ERR_INTERNAL, "no room for chunk %llu", (unsigned long long)id);
    if (limit_take(source->limit, span.len, err) < 0 ||
        io_pread(source->fd, data, (size_t)span.len, source->start + span.offset, err) < 0)
        return -1;
    *ret_len = (size_t)span.len;
    *ret_kind = kind_of(data, (size_t)span.len);
    return 0;
}

/* ---- encoding: sink -------------------------------------------------------------- */

struct archive_sink {
    struct run run;
    struct image_writer *writer;
};

static int archive_put(void *opaque, const struct chunk_output *output, struct err *err)
{
    struct archive_sink *sink = opaque;

    const struct image_result result = {output->data, output->len, output->raw};

    const struct image_run run = {output->id, output->count};
    int failed = output->count > 1 ? image_writer_put_zeros(sink->writer, &run, &result, err)
                                   : image_writer_put(sink->writer, output->id, &result, err);
    if (failed)
        return err_prefix(err, "%s", sink->run.transfer->stored_path);
    atomic_store(&sink->run.stored, image_writer_stored(sink->writer));
    return 0;
}

static void archive_chain(void *opaque, const uint8_t *digest, uint64_t count)
{
    const struct archive_sink *sink = opaque;

    image_writer_chain(sink->writer, digest, count);
}

static int encode(struct transfer *transfer, const struct chunk_source *source,
                  struct image_writer *writer, struct err *err)
{
    struct archive_sink archive = {.run = {.transfer = transfer}, .writer = writer};
    const struct chunk_sink sink = {
        .opaque = &archive,
        .ordered = image_writer_is_ordered(writer),
        .runs = image_writer_takes_runs(writer),
        .put = archive_put,
        .chain = archive_chain,
    };

    return run_pool(&archive.run, source, &sink, err);
}

int transfer_disk_in(struct transfer *transfer, struct disk_reader *reader, uint64_t chunk_size,
                     struct image_writer *writer, struct err *err)
{
    struct disk_source disk = {
        .limit = &transfer->children->limit,
        .reader = reader,
        .chunk_size = chunk_size,
        .raw_size = disk_reader_size(reader),
    };
    const struct chunk_source source = {
        .opaque = &disk,
        .count = units_div_up(disk.raw_size, chunk_size),
        .chunk_size = chunk_size,
        .raw_size = disk.raw_size,
        .look = disk_look,
        .read = disk_read,
    };

    return encode(transfer, &source, writer, err);
}

int transfer_file_in(struct transfer *transfer, int fd, uint64_t start, uint64_t size,
                     uint64_t chunk_size, struct image_writer *writer, struct err *err)
{
    struct file_source file = {&transfer->children->limit, fd, start, chunk_size, size};
    const struct chunk_source source = {
        .opaque = &file,
        .count = units_div_up(size, chunk_size),
        .chunk_size = chunk_size,
        .raw_size = size,
        .look = file_look,
        .read = file_read,
    };

    return encode(transfer, &source, writer, err);
}

/* ---- decoding --------------------------------------------------------------------- */

struct image_source {
    struct limit *limit;
    struct image_reader *reader;
    const char *path;
};

static int image_look(void *opaque, uint64_t id, uint64_t *ret_zeros, struct err *err)
{
    const struct image_source *source = opaque;

    if (image_reader_zeros(source->reader, id, ret_zeros, err) < 0)
        return err_prefix(err, "%s", source->path);
    return 0;
}

static int image_read(void *opaque, uint64_t id, void *data, size_t cap, size_t *ret_len,
                      enum chunk_kind *ret_kind, struct err *err)
{
    const struct image_source *source = opaque;

    *ret_kind = CHUNK_DATA;
    if (image_reader_read(source->reader, id, data, cap, ret_len, err) < 0)
        return err_prefix(err, "%s", source->path);
    return limit_take(source->limit, *ret_len, err);
}

/* Passes the bytes to one of three destinations as chunks are done. The digests arrive in order. */
struct decoded_sink {
    struct run run;
    struct content_digest *content;
    uint64_t chunk_size;
    struct disk_writer *disk; /* or NULL */
    int fd;                   /* or -1 */
    uint64_t fd_offset;
};

static int put_bytes(struct decoded_sink *sink, const struct chunk_output *output, struct err *err)
{
    uint64_t offset = output->id * sink->chunk_size;

    if (sink->disk && output->zero)
        return disk_writer_zero(sink->disk, offset, output->raw_len, err);
    if (sink->disk)
        return disk_writer_write(sink->disk, offset, output->data, output->len, err);
    /* The file was made with its full size, so the zeros are already there. */
    if (sink->fd >= 0 && !output->zero)
        return io_pwrite(sink->fd, output->data, output->len, sink->fd_offset + offset, err);
    return 0;
}

static int decoded_put(void *opaque, const struct chunk_output *output, struct err *err)
{
    struct decoded_sink *sink = opaque;

    atomic_fetch_add(&sink->run.stored, output->raw_len);
    return put_bytes(sink, output, err);
}

static void decoded_chain(void *opaque, const uint8_t *digest, uint64_t count)
{
    const struct decoded_sink *sink = opaque;

    content_digest_add(sink->content, digest, count);
}

static int decode(struct transfer *transfer, struct image_reader *reader,
                  const struct manifest_stored *stored, struct decoded_sink *decoded,
                  struct err *err)
{
    CLEANUP(content_digest_freep) struct content_digest *content = content_digest_new();
    uint8_t digest[DIGEST_SIZE];
    struct image_source image = {&transfer->children->limit, reader, transfer->stored_path};
    const struct chunk_source source = {
        .opaque = &image,
        .count = image_reader_chunk_count(reader),
        .chunk_size = stored->image.chunk_size,
        .raw_size = stored->image.raw_size,
        .look = image_look,
        .read = image_read,
    };
    const struct chunk_sink sink = {
        .opaque = decoded, .ordered = false, .put = decoded_put, .chain = decoded_chain};

    decoded->run.transfer = transfer;
    decoded->content = content;
    decoded->chunk_size = stored->image.chunk_size;
    if (run_pool(&decoded->run, &source, &sink, err) < 0) {
        /* A child that cannot decode a chunk knows only its number. */
        return err && err->kind == ERR_CORRUPT && !strstr(err->text, image.path)
                   ? err_prefix(err, "%s", image.path)
                   : -1;
    }
    if (image_reader_check(reader, err) < 0)
        return err_prefix(err, "%s", image.path);
    content_digest_finish(content, digest);
    if (memcmp(digest, stored->image.content, DIGEST_SIZE) != 0)
        return err_set(err, ERR_CORRUPT,
                       "%s: its content is not what was backed up: the content digest differs",
                       image.path);
    return 0;
}

int transfer_disk_out(struct transfer *transfer, struct image_reader *reader,
                      const struct manifest_stored *stored, struct disk_writer *writer,
                      struct err *err)
{
    struct decoded_sink sink = {.disk = writer, .fd = -1};

    return decode(transfer, reader, stored, &sink, err);
}

int transfer_file_out(struct transfer *transfer, struct image_reader *reader,
                      const struct manifest_stored *stored, int fd, uint64_t offset,
                      struct err *err)
{
    struct decoded_sink sink = {.fd = fd, .fd_offset = offset};

    return decode(transfer, reader, stored, &sink, err);
}

int transfer_check(struct transfer *transfer, struct image_reader *reader,
                   const struct manifest_stored *stored, struct err *err)
{
    struct decoded_sink sink = {.fd = -1};

    return decode(transfer, reader, stored, &sink, err);
}
