/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/points/archive.h"

#include <string.h>

#include "archive/archive.h"
#include "archive/image.h"
#include "archive/reach.h"
#include "base/io.h"
#include "ops/points/archive_impl.h"
#include "ops/sizes.h"
#include "base/when.h"
#include "ops/backup_sizes.h"

struct archive_store {
    struct points_store base;
    struct archive_reader *reader;
};

struct archive_image {
    struct points_image base;
    int fd; /* owned, as all */
    char *path;
    struct image_reader *reader;
};

bool points_archive_is_lone(const char *file_system)
{
    return reach_ends_at_host(file_system);
}

static struct archive_store *archive_store(const struct points_store *store)
{
    return (struct archive_store *)store;
}

const struct archive_backup *points_archive_backup(const struct point *point)
{
    return ((const struct archive_point *)point)->backup;
}

/* ---- the store --------------------------------------------------------------------------- */

static void close_store(struct points_store *store)
{
    archive_reader_close(archive_store(store)->reader);
    free(store);
}

static int list_guests(struct points_store *store, struct strings *ret, struct err *err)
{
    return archive_reader_list(archive_store(store)->reader, ret, err);
}

static int list_orphans(struct points_store *store, struct strings *ret, struct err *err)
{
    return archive_reader_orphans(archive_store(store)->reader, ret, err);
}

/* ---- points --------------------------------------------------------------------------------- */

static void close_point(struct point *point)
{
    archive_backup_close(((struct archive_point *)point)->backup);
    free(point);
}

static int open_point(struct points_store *store, const char *guest, const char *id,
                      struct point **ret, struct err *err)
{
    CLEANUP(archive_backup_closep) struct archive_backup *backup = NULL;

    if (archive_backup_open(archive_store(store)->reader, guest, &backup, err) < 0)
        return -1;
    if (id && strcmp(id, archive_backup_digest(backup)) != 0)
        return err_set(err, ERR_NOT_FOUND, "%s: holds another backup of this guest", store->place);
    struct archive_point *point = mem_alloc(sizeof(*point));
    point->base.store = store;
    point->base.manifest = archive_backup_manifest(backup);
    point->base.id = archive_backup_digest(backup);
    point->backup = TAKE_PTR(backup);
    *ret = &point->base;
    return 0;
}

static void fill_entry(const struct point *point, struct points_entry *entry)
{
    const struct manifest *manifest = point->manifest;

    entry->id = mem_strdup(point->id);
    (void)when_parse(manifest->time, &entry->time_ms);
    entry->host = mem_strdup(manifest->host);
    entry->state = manifest->state;
    entry->consistency = manifest->consistency;
    entry->disk_count = manifest->disk_count;
    entry->memory = manifest->memory != NULL;
    entry->size = backup_sizes_images(point);
    entry->stored = backup_sizes_all(point).stored;
    entry->complete = true;
}

static int list_points(struct points_store *store, const char *guest, struct points_list *ret,
                       struct err *err)
{
    CLEANUP(points_closep) struct point *point = NULL;

    if (open_point(store, guest, NULL, &point, err) < 0)
        return -1;
    *ret = (struct points_list){mem_alloc(sizeof(*ret->all)), 1};
    fill_entry(point, ret->all);
    return 0;
}

static bool point_is_current(const struct point *point)
{
    return archive_backup_is_current(points_archive_backup(point));
}

static char *item_text(const struct point *point, const struct manifest_stored *stored)
{
    return mem_printf("%s/%s", point->store->place, stored->file.name);
}

static int item_usage(const struct point *point, const struct manifest_stored *stored,
                      uint64_t *ret, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;

    if (archive_backup_open_file(points_archive_backup(point), stored, &fd, err) < 0)
        return -1;
    *ret = sizes_usage(fd, stored->file.size);
    return 0;
}

/* ---- images ----------------------------------------------------------------------------------- */

/* A save image of unknown layout is compressed as a whole, including its head. */
static int is_whole(const struct manifest_stored *stored, int fd, bool *ret, struct err *err)
{
    uint8_t start[CONTAINER_START_SIZE];

    *ret = false;
    if (stored->codec.type == CODEC_NONE || stored->file.size < sizeof(start))
        return 0;
    if (io_pread(fd, start, sizeof(start), 0, err) < 0)
        return -1;
    *ret = container_starts(stored->codec.type, start);
    return 0;
}

static int read_head_of(const struct manifest_stored *stored, int fd, struct points_head *ret,
                        struct err *err)
{
    CLEANUP_POINTS_HEAD struct points_head head = {0};
    CLEANUP_ERR struct err sav_err = ERR_INIT;
    bool whole = false;

    if (is_whole(stored, fd, &whole, err) < 0)
        return -1;
    if (!whole && sav_read(fd, stored->file.size, &head.sav, &sav_err) < 0) {
        if (sav_err.kind != ERR_UNSUPPORTED)
            return err_move(err, &sav_err);
        whole = true;
    }
    head.known =
        !whole && (stored->codec.type != CODEC_NONE || stored->image.raw_size != stored->file.size);
    *ret = head;
    head = (struct points_head){0};
    return 0;
}

static int read_head(const struct point *point, struct points_head *ret, struct err *err)
{
    const struct manifest_stored *stored = point->manifest->memory;
    CLEANUP_CLOSE int fd = -1;

    if (archive_backup_open_file(points_archive_backup(point), stored, &fd, err) < 0)
        return -1;
    if (read_head_of(stored, fd, ret, err) == 0)
        return 0;
    CLEANUP_FREE char *path = item_text(point, stored);
    return err_prefix(err, "%s", path);
}

static void close_image(struct points_image *base)
{
    struct archive_image *image = (struct archive_image *)base;

    image_reader_free(image->reader);
    if (image->fd >= 0)
        close(image->fd);
    free(image->path);
    free(image);
}

static int open_image(const struct point *point, const struct points_image_request *request,
                      struct points_image **ret, struct err *err)
{
    const struct manifest_stored *stored = request->stored;
    struct archive_image *image = mem_alloc(sizeof(*image));
    CLEANUP(points_close_imagep) struct points_image *base = &image->base;
    uint64_t start = 0;

    base->ops = point->store->ops;
    base->is_memory = stored == point->manifest->memory;
    image->fd = -1;
    image->path = item_text(point, stored);
    if (archive_backup_open_file(points_archive_backup(point), stored, &image->fd, err) < 0)
        return -1;
    if (base->is_memory && read_head_of(stored, image->fd, &base->head, err) < 0)
        return err_prefix(err, "%s", image->path);
    if (base->head.known)
        start = base->head.sav.stream_offset;
    const struct image_file file = {image->fd, image->path};
    if (image_reader_new(&file, stored, start, request->indexer, &image->reader, err) < 0)
        return -1;
    if (request->whole)
        image_reader_hash(image->reader);
    base->source = image_reader_source(image->reader);
    base->codec = stored->codec;
    *ret = TAKE_PTR(base);
    return 0;
}

/* ---- small items ---------------------------------------------------------------------------------- */

static int read_small(const struct point *point, const struct manifest_stored *stored,
                      uint8_t **ret, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;
    uint8_t digest[DIGEST_SIZE];

    if (archive_backup_open_file(points_archive_backup(point), stored, &fd, err) < 0)
        return -1;
    CLEANUP_FREE uint8_t *data = mem_alloc((size_t)stored->file.size);
    if (io_pread(fd, data, (size_t)stored->file.size, 0, err) < 0)
        return -1;
    digest_of(data, (size_t)stored->file.size, digest);
    if (!stored->file.has_sha256 || memcmp(digest, stored->file.sha256, DIGEST_SIZE) != 0)
        return err_set(err, ERR_CORRUPT, "its SHA-256 is not the one in the manifest");
    *ret = TAKE_PTR(data);
    return 0;
}

static const struct points_store_ops archive_store_ops = {
    .guests = list_guests,
    .orphans = list_orphans,
    .list = list_points,
    .open = open_point,
    .is_current = point_is_current,
    .item_text = item_text,
    .item_usage = item_usage,
    .read_head = read_head,
    .open_image = open_image,
    .read_small = read_small,
    .close_image = close_image,
    .close_point = close_point,
    .close = close_store,
};

int points_archive_open_store(const struct points_place *place, struct points_store **ret,
                              struct err *err)
{
    struct archive_reader *reader = NULL;

    if (archive_reader_open(place->path, place->parser, &reader, err) < 0)
        return -1;
    struct archive_store *store = mem_alloc(sizeof(*store));
    store->base.ops = &archive_store_ops;
    store->base.place = mem_strdup(place->path);
    store->base.title = mem_printf("archive %s", place->path);
    store->reader = reader;
    *ret = &store->base;
    return 0;
}
