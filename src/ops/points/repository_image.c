/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The images of a point of a repository. What reads them names packs in its errors; here the point and
 * the image are added.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "ops/points/repository_impl.h"
#include "repository/restored_image.h"

struct repository_image {
    struct points_image base;
    struct restored_image *reader; /* owned, as all */
    char *where;
    struct chunk_source read; /* as the reader gives it */
};

/* The head is read as libvirt's own save images are: from a file. */
static int read_save_header(const struct small_item *item, uint64_t raw_size, struct sav *ret,
                            struct err *err)
{
    CLEANUP_CLOSE int fd = memfd_create("virt-backup-save-header", MFD_CLOEXEC);

    if (fd < 0)
        return err_set_errno(err, errno, "memfd_create");
    if (io_write(fd, item->data, item->len, err) < 0)
        return -1;
    if (sav_read(fd, item->len + raw_size, ret, err) < 0)
        return -1;
    if (ret->stream_offset == item->len)
        return 0;
    sav_clear(ret);
    return err_set(err, ERR_CORRUPT, "what comes before it is not the header of a save image");
}

int points_repository_read_head(const struct point *base, struct points_head *ret, struct err *err)
{
    const struct small_item *item =
        points_repository_small(repository_point_of(base)->stored, ITEM_SAVE_HEADER);
    const struct manifest_stored *memory = base->manifest->memory;

    ret->known = item != NULL;
    if (!item || read_save_header(item, memory->image.raw_size, &ret->sav, err) == 0)
        return 0;
    CLEANUP_FREE char *where = base->store->ops->item_text(base, memory);
    return err_prefix(err, "%s", where);
}

void points_repository_close_image(struct points_image *base)
{
    struct repository_image *image = (struct repository_image *)base;

    restored_image_close(image->reader);
    free(image->where);
    free(image);
}

/* The reader's errors name packs. */
static int read_named(void *opaque, uint64_t id, void *data, size_t cap, size_t *ret_len,
                      enum chunk_kind *ret_kind, struct err *err)
{
    const struct repository_image *image = opaque;

    if (image->read.read(image->read.opaque, id, data, cap, ret_len, ret_kind, err) == 0)
        return 0;
    return err_prefix(err, "%s", image->where);
}

static int look_unnamed(void *opaque, uint64_t id, struct chunk_run *ret, struct err *err)
{
    const struct repository_image *image = opaque;

    return image->read.look(image->read.opaque, id, ret, err);
}

static int unpack_unnamed(void *opaque, const struct chunk_sink *sink, struct chunk_sink *ret,
                          struct err *err)
{
    const struct repository_image *image = opaque;

    return image->read.unpack(image->read.opaque, sink, ret, err);
}

static uint32_t gathered_unnamed(void *opaque, uint64_t id)
{
    const struct repository_image *image = opaque;

    return image->read.gathered(image->read.opaque, id);
}

static uint64_t wanted_unnamed(void *opaque, uint64_t id)
{
    const struct repository_image *image = opaque;

    return image->read.wanted(image->read.opaque, id);
}

static int check_named(void *opaque, struct err *err)
{
    const struct repository_image *image = opaque;

    if (!image->read.check || image->read.check(image->read.opaque, err) == 0)
        return 0;
    return err_prefix(err, "%s", image->where);
}

static struct chunk_source named_source(struct repository_image *image)
{
    struct chunk_source source = image->read;

    source.opaque = image;
    source.name = image->where;
    source.look = look_unnamed;
    source.read = read_named;
    source.unpack = unpack_unnamed;
    source.gathered = image->read.gathered ? gathered_unnamed : NULL;
    source.wanted = image->read.wanted ? wanted_unnamed : NULL;
    source.check = check_named;
    return source;
}

int points_repository_open_image(const struct point *base,
                                 const struct points_image_request *request,
                                 struct points_image **ret, struct err *err)
{
    struct repository_image *image = mem_alloc(sizeof(*image));
    CLEANUP(points_close_imagep) struct points_image *opened = &image->base;
    struct points_repository_view view;

    points_repository_look(base->store, &view);
    const struct restored_request restored = {
        .scope = view.scope,
        .id_salt = view.id_salt,
        .point = repository_point_of(base)->stored,
        .number = request->stored->number,
    };

    opened->ops = base->store->ops;
    opened->is_memory = request->stored == base->manifest->memory;
    if (opened->is_memory && points_repository_read_head(base, &opened->head, err) < 0)
        return -1;
    image->where = base->store->ops->item_text(base, request->stored);
    if (restored_image_open(&restored, &image->reader, err) < 0)
        return err_prefix(err, "%s", image->where);
    image->read = restored_image_source(image->reader);
    opened->source = named_source(image);
    opened->codec =
        points_repository_decoding(restored_image_codec(image->reader), opened->source.chunk_size);
    *ret = TAKE_PTR(opened);
    return 0;
}
