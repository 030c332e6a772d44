/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/points_archive.h"

#include "archive/archive.h"
#include "archive/removal.h"
#include "ops/points_archive_impl.h"

struct archive_place {
    struct points_writer base;
    struct archive_writer *writer;
};

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

static const struct points_writer_ops archive_writer_ops = {
    .remove = remove_point,
    .close = close_writer,
};

int points_archive_open_writer(const char *path, struct points_writer **ret, struct err *err)
{
    struct archive_writer *writer = NULL;

    if (archive_writer_open(path, &writer, err) < 0)
        return -1;
    struct archive_place *place = mem_alloc(sizeof(*place));
    place->base.ops = &archive_writer_ops;
    place->base.place = mem_strdup(path);
    place->writer = writer;
    *ret = &place->base;
    return 0;
}
