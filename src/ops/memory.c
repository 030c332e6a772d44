/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "record/sav.h"
#include "base/io.h"
#include "base/process.h"
#include "base/units.h"
#include "ops/transfer/file_chunks.h"
#include "ops/transfer/transfer.h"

/* ---- storing --------------------------------------------------------------------------- */

/* The bytes that the children process: QEMU's stream, or a whole file of unknown layout. */
struct memory_stream {
    int fd; /* owned */
    uint64_t start;
    uint64_t size;
    struct points_head head;
};

static void stream_close(struct memory_stream *stream)
{
    if (stream->fd >= 0)
        close(stream->fd);
    points_head_clear(&stream->head);
}

static int file_size(int fd, uint64_t *ret, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_set_errno(err, errno, "cannot stat the file");
    *ret = (uint64_t)st.st_size;
    return 0;
}

/* Decodes the stream into a staged file, with the program that libvirt compressed it with. That
 * file then takes the place of the save image's own stream. It is flushed, because of a write that fails
 * later the page cache keeps nothing, and other bytes would be read. */
static int decode_stream(const struct memory_store *store, const char *const *argv,
                         struct memory_stream *stream, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;

    if (staging_nameless(store->staging, &fd, err) < 0)
        return -1;
    if (lseek(stream->fd, (off_t)stream->start, SEEK_SET) < 0)
        return err_set_errno(err, errno, "cannot seek in the save image");
    if (process_filter(argv, stream->fd, fd, err) < 0 || io_sync(fd, err) < 0 ||
        file_size(fd, &stream->size, err) < 0)
        return err_prefix(err, "cannot decompress libvirt's memory image");
    stream->start = 0;
    close(stream->fd);
    stream->fd = TAKE_FD(fd);
    return 0;
}

/* For the same reason. */
static int flush_saved(const char *path, int fd, struct err *err)
{
    return io_sync(fd, err) < 0 ? err_prefix(err, "%s", path) : 0;
}

static int open_stream(const struct memory_store *store, const char *sav_path,
                       struct memory_stream *stream, struct err *err)
{
    struct sav *sav = &stream->head.sav;
    CLEANUP_ERR struct err sav_err = ERR_INIT;

    if (staging_open_file(sav_path, &stream->fd, err) < 0 ||
        flush_saved(sav_path, stream->fd, err) < 0)
        return err_prefix(err, "libvirt's save image");
    if (file_size(stream->fd, &stream->size, err) < 0)
        return -1;
    if (sav_read(stream->fd, stream->size, sav, &sav_err) < 0 && sav_err.kind != ERR_UNSUPPORTED)
        return err_move(err, &sav_err);
    const char *const *argv = sav_decoder_argv(sav->format);
    if (sav_err.kind || (sav->format != SAV_RAW && !argv)) {
        report_warning(store->report, store->guest,
                       &(struct warning){store->codec.type == CODEC_NONE
                                             ? WARNING_SAVE_IMAGE_UNKNOWN
                                             : WARNING_SAVE_IMAGE_COMPRESSED});
        return 0;
    }
    stream->head.known = true;
    stream->start = sav->stream_offset;
    stream->size -= sav->stream_offset;
    return argv ? decode_stream(store, argv, stream, err) : 0;
}

int memory_store(const struct memory_store *store, const char *sav_path,
                 struct manifest_stored *ret, uint64_t *ret_usage, struct err *err)
{
    struct memory_stream stream CLEANUP(stream_close) = {.fd = -1};
    struct transfer transfer = {
        .children = store->children,
        .report = store->report,
        .guest = store->guest,
        .what = "memory",
    };
    struct chunk_sink sink;

    if (open_stream(store, sav_path, &stream, err) < 0)
        return -1;
    if (!store->keep_state)
        stream.head.sav.was_running = store->running;
    const struct points_facts facts = {
        .item = {.kind = POINTS_MEMORY},
        .codec = store->codec,
        .chunk_size = store->chunk_size,
        .raw_size = stream.size,
        .head = &stream.head,
    };
    struct file_chunks chunks = {sav_path, stream.fd, stream.start, store->chunk_size, stream.size};
    struct chunk_source source = file_chunks_source(&chunks);
    if (points_create_image(store->set, &facts, &source, &sink, err) < 0)
        return -1;
    if (transfer_in(&transfer, &source, &sink, err) < 0)
        return -1;
    return points_finish_image(store->set, ret, ret_usage, err);
}

/* ---- restoring -------------------------------------------------------------------------- */

/* What libvirt would get from the image: the cookie, or, unchanged, all of it. *ret_cookie: the text of
 * what was looked at, which is what libvirt may get: the stored text may be something else, if who
 * has parsed it has lied. NULL: there is no cookie. The caller frees it. */
static int look_at_head(const struct points_head *head, const struct parser *parser,
                        struct definition_findings *findings, char **ret_cookie, struct err *err)
{
    const char *cookie = head->sav.cookie;

    *ret_cookie = NULL;

    if (!head->known)
        definition_findings_add(findings,
                                "memory image: unknown layout, would be resumed with its own XML");
    if (!head->known || !cookie)
        return 0;
    const struct xml_text text = {cookie, strlen(cookie), parser, true};
    CLEANUP(xml_freep) struct xml_doc *doc = xml_read(&text, err);
    if (!doc)
        return err_prefix(err, "its cookie");
    if (!xml_is(xml_root(doc), NULL, "cookie"))
        return err_set(err, ERR_CORRUPT,
                       "is a damaged save image: its cookie is not a <cookie> element");
    definition_check_cookie(doc, findings);
    *ret_cookie = xml_format(doc);
    return 0;
}

int memory_look(const struct point *backup, struct definition_findings *findings, struct err *err)
{
    CLEANUP_POINTS_HEAD struct points_head head = {0};
    CLEANUP_FREE char *cookie = NULL;

    if (points_read_head(backup, &head, err) < 0)
        return -1;
    if (look_at_head(&head, points_parser(backup), findings, &cookie, err) == 0)
        return 0;
    CLEANUP_FREE char *path = points_item_text(backup, points_manifest(backup)->memory);
    return err_prefix(err, "%s", path);
}

/* Checks what is used: what was looked at before may have been changed since. */
static int check_image(const struct memory_restore *restore, const struct points_image *image,
                       char **ret_cookie, struct err *err)
{
    struct definition_findings findings CLEANUP_FINDINGS = {0};

    if (look_at_head(points_image_head(image), points_parser(restore->backup), &findings,
                     ret_cookie, err) < 0)
        return -1;
    if (findings.count > 0 && !restore->trusted)
        return err_set(err, ERR_DENIED, "reaches beyond the guest's own files: %s",
                       findings.all[0].text);
    return 0;
}

static const struct manifest_stored *stored_memory(const struct memory_restore *restore)
{
    return points_manifest(restore->backup)->memory;
}

/* The content digest does not cover the head: it can be trusted only after the transfer has found
 * everything to be what was stored. */
static int open_memory(const struct memory_restore *restore, struct points_image **ret,
                       struct err *err)
{
    const struct container_indexer indexer = children_indexer(restore->children);
    const struct points_image_request request = {
        .stored = stored_memory(restore),
        .indexer = &indexer,
        .whole = true,
    };

    return points_open_image(restore->backup, &request, ret, err);
}

/* To nowhere if sink is NULL. */
static int decode_memory(const struct memory_restore *restore, struct points_image *image,
                         const struct chunk_sink *sink, struct err *err)
{
    const struct manifest_stored *stored = stored_memory(restore);
    const struct chunk_source source = points_image_source(image);
    const struct codec_spec codec = points_image_codec(image);
    struct transfer transfer = {
        .children = restore->children,
        .report = restore->report,
        .guest = restore->guest,
        .what = "memory",
    };

    if (children_pool(restore->children, &codec, source.chunk_size, 0, err) < 0)
        return -1;
    return transfer_out(&transfer, &source, sink, &stored->image, err);
}

static int write_memory(const struct memory_restore *restore, struct points_image *memory, int fd,
                        const char *xml, const char *cookie, bool running, struct err *err)
{
    const struct points_head *stored = points_image_head(memory);
    const struct manifest_image *image = &stored_memory(restore)->image;
    CLEANUP_BUF struct buf head = {0};

    if (restore->keep_state)
        running = stored->sav.was_running;
    if (stored->known && sav_format_head(xml, cookie, running, SAV_RAW, &head, err) < 0)
        return -1;
    if (io_write(fd, head.data, head.len, err) < 0)
        return err_prefix(err, "%s", restore->path);
    if (ftruncate(fd, (off_t)(head.len + image->raw_size)) < 0)
        return err_set_errno(err, errno, "%s: cannot give it its size", restore->path);
    struct file_chunks file = {restore->path, fd, head.len, image->chunk_size, image->raw_size};
    const struct chunk_sink sink = file_chunks_sink(&file);
    if (decode_memory(restore, memory, &sink, err) < 0)
        return -1;
    return io_sync(fd, err) < 0 ? err_prefix(err, "%s", restore->path) : 0;
}

int memory_restore(const struct memory_restore *restore, int fd, const char *xml, bool running,
                   struct err *err)
{
    CLEANUP(points_close_imagep) struct points_image *image = NULL;
    CLEANUP_FREE char *path = points_item_text(restore->backup, stored_memory(restore));
    CLEANUP_FREE char *cookie = NULL;

    if (open_memory(restore, &image, err) < 0)
        return -1;
    if (check_image(restore, image, &cookie, err) < 0)
        return err_prefix(err, "%s", path);
    return write_memory(restore, image, fd, xml, cookie, running, err);
}

int memory_verify(const struct memory_restore *restore, struct err *err)
{
    CLEANUP(points_close_imagep) struct points_image *image = NULL;
    CLEANUP_FREE char *path = points_item_text(restore->backup, stored_memory(restore));
    struct definition_findings ignored CLEANUP_FINDINGS = {0};
    CLEANUP_FREE char *cookie = NULL;

    if (open_memory(restore, &image, err) < 0)
        return -1;
    if (look_at_head(points_image_head(image), points_parser(restore->backup), &ignored, &cookie,
                     err) < 0)
        return err_prefix(err, "%s", path);
    return decode_memory(restore, image, NULL, err);
}
