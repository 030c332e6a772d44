/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/transfer/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/io.h"
#include "base/units.h"
#include "codec/fingerprint.h"
#include "ops/transfer/file_chunks.h"

struct spool {
    const char *folder;
    int fd; /* owned */
    uint64_t raw_size;
    uint64_t piece;   /* bytes of which there is a fingerprint: both chunk sizes are multiples */
    uint64_t *prints; /* owned; of each piece; memory is only taken where the image is not zeros */
    struct file_chunks written;
    struct file_chunks read;
    struct chunk_source file; /* of `read` */
};

static int spool_advise(struct err *err)
{
    return err_append(err, "choose another folder with --staging-path");
}

static int make_file(struct spool *spool, struct err *err)
{
    spool->fd = open(spool->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (spool->fd >= 0 && ftruncate(spool->fd, (off_t)spool->raw_size) == 0)
        return 0;
    err_set_errno(err, errno, "%s: cannot create a file without a name for an image",
                  spool->folder);
    return spool_advise(err);
}

int spool_open(const struct spool_request *request, struct spool **ret, struct err *err)
{
    CLEANUP(spool_closep) struct spool *spool = mem_alloc(sizeof(*spool));

    spool->folder = request->folder;
    spool->raw_size = request->raw_size;
    spool->piece =
        request->written_chunk < request->read_chunk ? request->written_chunk : request->read_chunk;
    if (make_file(spool, err) < 0)
        return -1;
    uint64_t count = units_div_up(spool->raw_size, spool->piece);
    spool->prints = calloc(count + 1, sizeof(*spool->prints));
    if (!spool->prints)
        return err_set_errno(err, ENOMEM, "cannot get memory for %" PRIu64 " fingerprints", count);
    spool->written =
        (struct file_chunks){spool->folder, spool->fd, 0, request->written_chunk, spool->raw_size};
    spool->read =
        (struct file_chunks){spool->folder, spool->fd, 0, request->read_chunk, spool->raw_size};
    spool->file = file_chunks_source(&spool->read);
    *ret = TAKE_PTR(spool);
    return 0;
}

void spool_close(struct spool *spool)
{
    if (!spool)
        return;
    if (spool->fd >= 0)
        close(spool->fd);
    free(spool->prints);
    free(spool);
}

/* ---- writing ---------------------------------------------------------------------------------- */

static uint64_t print_piece(const struct spool *spool, const uint8_t *data, size_t len, size_t at)
{
    size_t left = len - at;

    return fingerprint_of(data + at, left < spool->piece ? left : (size_t)spool->piece);
}

static int spool_put(void *opaque, const struct chunk_output *output, struct err *err)
{
    struct spool *spool = opaque;
    const struct chunk_sink file = file_chunks_sink(&spool->written);
    uint64_t piece = output->id * (spool->written.chunk_size / spool->piece);

    if (output->kind == CHUNK_DATA &&
        output->len != chunk_raw_len(output->id, spool->written.chunk_size, spool->raw_size))
        return err_set(err, ERR_INTERNAL, "chunk %" PRIu64 " comes with %zu bytes", output->id,
                       output->len);
    if (output->kind == CHUNK_DATA)
        for (size_t at = 0; at < output->len; at += spool->piece)
            spool->prints[piece++] = print_piece(spool, output->data, output->len, at);
    return file.put(file.opaque, output, err) < 0 ? spool_advise(err) : 0;
}

struct chunk_sink spool_sink(struct spool *spool)
{
    return (struct chunk_sink){.opaque = spool, .put = spool_put};
}

int spool_flush(struct spool *spool, struct err *err)
{
    if (io_sync(spool->fd, err) == 0)
        return 0;
    err_prefix(err, "%s", spool->folder);
    return spool_advise(err);
}

/* ---- reading ---------------------------------------------------------------------------------- */

static int set_lost(const struct spool *spool, uint64_t piece, struct err *err)
{
    err_set(err, ERR_IO,
            "%s: the image that was decoded there cannot be read back: the disk or file system has "
            "lost what was written at byte %" PRIu64,
            spool->folder, piece * spool->piece);
    return spool_advise(err);
}

/* Where the file has a hole, there must have been zeros. */
static int spool_look(void *opaque, uint64_t id, struct chunk_run *ret, struct err *err)
{
    const struct spool *spool = opaque;
    uint64_t per_chunk = spool->read.chunk_size / spool->piece;
    uint64_t count = units_div_up(spool->raw_size, spool->piece);

    if (spool->file.look(spool->file.opaque, id, ret, err) < 0)
        return -1;
    if (ret->kind != CHUNK_ZERO)
        return 0;
    for (uint64_t i = id * per_chunk; i < (id + ret->count) * per_chunk && i < count; i++)
        if (spool->prints[i])
            return set_lost(spool, i, err);
    return 0;
}

static int spool_read(void *opaque, uint64_t id, void *data, size_t cap, size_t *ret_len,
                      enum chunk_kind *ret_kind, struct err *err)
{
    const struct spool *spool = opaque;
    uint64_t piece = id * (spool->read.chunk_size / spool->piece);

    if (spool->file.read(spool->file.opaque, id, data, cap, ret_len, ret_kind, err) < 0)
        return spool_advise(err);
    for (size_t at = 0; at < *ret_len; at += spool->piece, piece++)
        if (spool->prints[piece] != print_piece(spool, data, *ret_len, at))
            return set_lost(spool, piece, err);
    return 0;
}

struct chunk_source spool_source(struct spool *spool)
{
    struct chunk_source source = spool->file;

    source.opaque = spool;
    source.look = spool_look;
    source.read = spool_read;
    return source;
}
