/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/points/archive.h"

#include "archive/archive.h"
#include "archive/image.h"
#include "archive/removal.h"
#include "base/io.h"
#include "ops/points/archive_impl.h"
#include "ops/sizes.h"

struct archive_place {
    struct points_writer base;
    struct archive_writer *writer;
};

/* One image at a time. */
struct archive_set {
    struct points_set base;
    struct backup_set *set; /* owned, as all */
    char *guest;
    char *name; /* of the image being written; NULL: none is */
    char *path;
    int fd; /* borrowed from the set */
    struct image_writer *image;
};

static struct archive_set *set_of(struct points_set *set)
{
    return (struct archive_set *)set;
}

static struct archive_writer *archive_of(const struct points_writer *writer)
{
    return ((const struct archive_place *)writer)->writer;
}

static int remove_point(struct points_writer *writer, const struct point *point, uint64_t wait_ms,
                        struct err *err)
{
    return removal_run(archive_of(writer), points_archive_backup(point), wait_ms, err);
}

static void close_writer(struct points_writer *writer)
{
    archive_writer_close(archive_of(writer));
    free(writer);
}

static char *lone_file_system(const struct points_writer *writer)
{
    return archive_writer_lone_file_system(archive_of(writer));
}

/* ---- sets ------------------------------------------------------------------------------- */

char *points_archive_item_name(const char *guest, const struct points_item *item,
                               enum codec_type codec, struct err *err)
{
    switch (item->kind) {
    case POINTS_DISK:
        return archive_disk_name(guest, item->target, codec, err);
    case POINTS_MEMORY:
        return archive_memory_name(guest, err);
    case POINTS_SMALL:
        break;
    }
    return archive_extra_name(guest, item->extra, err);
}

static int begin_set(struct points_writer *writer, const struct points_request *request,
                     struct points_set **ret, struct err *err)
{
    static const enum backup_set_replace replace[] = {
        [POINTS_KEEP] = BACKUP_SET_KEEP,
        [POINTS_REPLACE] = BACKUP_SET_REPLACE,
        [POINTS_REPLACE_ANY_HOST] = BACKUP_SET_REPLACE_ANY_HOST,
    };
    const struct backup_set_request asked = {
        .domain = request->guest,
        .uuid = request->uuid,
        .host = request->host,
        .host_uuid = request->host_uuid,
        .key = request->key,
        .replace = replace[request->replace],
        .wait_ms = request->wait_ms,
    };
    struct backup_set *begun = NULL;

    if (backup_set_begin(archive_of(writer), &asked, &begun, err) < 0)
        return -1;
    struct archive_set *set = mem_alloc(sizeof(*set));
    set->base.writer = writer;
    set->set = begun;
    set->guest = mem_strdup(request->guest);
    *ret = &set->base;
    return 0;
}

static int expect_item(struct points_set *base, const struct points_item *item,
                       enum codec_type codec, struct err *err)
{
    struct archive_set *set = set_of(base);
    CLEANUP_FREE char *name = points_archive_item_name(set->guest, item, codec, err);

    return name ? backup_set_expect(set->set, name, err) : -1;
}

static void end_image(struct archive_set *set)
{
    image_writer_free(TAKE_PTR(set->image));
    free(TAKE_PTR(set->name));
    free(TAKE_PTR(set->path));
}

/* libvirt is told how the stream is compressed, so that it can read the file as it is. */
static int format_head(const struct points_head *head, enum codec_type codec, struct buf *ret,
                       struct err *err)
{
    static const enum sav_format formats[] = {
        [CODEC_NONE] = SAV_RAW, [CODEC_LZMA] = SAV_XZ, [CODEC_ZSTD] = SAV_ZSTD};

    if (!head || !head->known)
        return 0;
    return sav_format_head(head->sav.xml, head->sav.cookie, head->sav.was_running, formats[codec],
                           ret, err);
}

static int create_image(struct points_set *base, const struct points_facts *facts,
                        struct chunk_source *source, struct chunk_sink *ret, struct err *err)
{
    struct archive_set *set = set_of(base);
    CLEANUP_BUF struct buf head = {0};

    (void)source;
    end_image(set);
    set->name = points_archive_item_name(set->guest, &facts->item, facts->codec.type, err);
    if (!set->name || format_head(facts->head, facts->codec.type, &head, err) < 0 ||
        backup_set_create(set->set, set->name, &set->fd, err) < 0)
        return -1;
    set->path = mem_printf("%s/%s", base->writer->place, set->name);
    const struct image_file file = {set->fd, set->path};
    const struct image_layout layout = {
        .codec = facts->codec,
        .chunk_size = facts->chunk_size,
        .raw_size = facts->raw_size,
        .head = head.data,
        .head_len = head.len,
    };
    if (image_writer_new(&file, &layout, &set->image, err) < 0)
        return -1;
    *ret = image_writer_sink(set->image);
    return 0;
}

static int finish_image(struct points_set *base, struct manifest_stored *ret, uint64_t *ret_usage,
                        struct err *err)
{
    struct archive_set *set = set_of(base);

    if (image_writer_finish(set->image, ret, err) < 0)
        return -1;
    *ret_usage = sizes_usage(set->fd, ret->file.size);
    ret->file.name = TAKE_PTR(set->name);
    end_image(set);
    return 0;
}

static int put_small(struct points_set *base, enum manifest_extra_kind kind, const void *data,
                     size_t len, struct manifest_stored *ret, struct err *err)
{
    struct archive_set *set = set_of(base);
    CLEANUP_FREE char *name = archive_extra_name(set->guest, kind, err);
    int fd = -1;

    if (!name || backup_set_create(set->set, name, &fd, err) < 0)
        return -1;
    if (io_write(fd, data, len, err) < 0)
        return err_prefix(err, "%s", name);
    ret->place = PLACE_FILE;
    ret->file = (struct manifest_file){.name = TAKE_PTR(name), .size = len, .has_sha256 = true};
    digest_of(data, len, ret->file.sha256);
    return 0;
}

static void abort_archive_set(struct points_set *base)
{
    struct archive_set *set = set_of(base);

    end_image(set);
    backup_set_abort(set->set);
    free(set->guest);
    free(set);
}

static int commit_set(struct points_set *base, const struct manifest *manifest, struct err *err)
{
    int result = backup_set_commit(TAKE_PTR(set_of(base)->set), manifest, err);

    abort_archive_set(base);
    return result;
}

static const struct points_set_ops archive_set_ops = {
    .lone_file_system = lone_file_system,
    .remove = remove_point,
    .close = close_writer,
    .begin = begin_set,
    .expect = expect_item,
    .create_image = create_image,
    .finish_image = finish_image,
    .put_small = put_small,
    .commit = commit_set,
    .drop = abort_archive_set,
};

int points_archive_open_writer(const struct points_place *place, struct points_writer **ret,
                               struct err *err)
{
    struct archive_writer *writer = NULL;

    if (archive_writer_open(place->path, place->parser, &writer, err) < 0)
        return -1;
    struct archive_place *archive = mem_alloc(sizeof(*archive));
    archive->base.ops = &archive_set_ops;
    archive->base.place = mem_strdup(place->path);
    archive->writer = writer;
    *ret = &archive->base;
    return 0;
}
