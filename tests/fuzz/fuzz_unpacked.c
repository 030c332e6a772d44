/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a parser that was taken over may say of a point.
 */
#include "fuzz.h"

#include <string.h>

#include "repository/stored_point.h"
#include "store/store_impl.h"

/* A store whose only object is a slot: the whole of it is only looked at by the parser. */
struct fuzz_store {
    struct store store;
    struct buf slot;
};

static int fuzz_get(struct store *store, const struct store_range *range, size_t *ret_len,
                    struct err *err)
{
    const struct buf *slot = &((struct fuzz_store *)store)->slot;
    size_t left = range->offset < slot->len ? slot->len - (size_t)range->offset : 0;

    (void)err;
    *ret_len = left < range->cap ? left : range->cap;
    if (*ret_len > 0)
        memcpy(range->data, slot->data + range->offset, *ret_len);
    return 0;
}

static const struct store_ops fuzz_ops = {.get = fuzz_get};

static void make_slot(const struct slot_id *id, struct buf *ret)
{
    static const uint16_t types[] = {SLOT_PACKS, SLOT_DIGESTS, SLOT_INFO, SLOT_MANIFEST};
    CLEANUP_SLOT_WRITER struct slot_writer writer = {0};

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        const struct slot_added added = {types[i], 0, "x", 1, false};
        FUZZ_CHECK(slot_writer_add(&writer, &added, NULL) == 0);
    }
    FUZZ_CHECK(slot_writer_finish(&writer, id, 0, ret, NULL) == 0);
}

static int say(void *opaque, const struct parser_task *task, struct buf *ret, struct err *err)
{
    const struct buf *said = opaque;

    (void)task;
    (void)err;
    buf_append(ret, said->data, said->len);
    return 0;
}

static void check_maps(const struct stored_point *point)
{
    for (uint32_t i = 0; i < point->image_count; i++) {
        const struct stored_image *image = &point->images[i];
        struct map_reader reader;
        struct map_run run;
        uint64_t end = 0;
        int more;
        FUZZ_CHECK(stored_point_image(point, image->number) == image);
        stored_point_walk(point, image, &reader);
        FUZZ_CHECK(reader.size == image->size);
        while ((more = map_reader_next(&reader, &run, NULL)) > 0) {
            FUZZ_CHECK(run.block >= end && run.count > 0 && run.pack < point->packs.count);
            FUZZ_CHECK(run.first + run.count <= point->digests[run.pack].block_count);
            end = run.block + run.count;
        }
        FUZZ_CHECK(more == 0 && end <= (image->size + LIMITS_BLOCK - 1) / LIMITS_BLOCK);
    }
}

static void check_said_point(const struct stored_point *point)
{
    const struct info *info = &point->info;
    CLEANUP_BUF struct buf again = {0};

    FUZZ_CHECK(point->image_count == info->disk_count + info->memory);
    FUZZ_CHECK(info_format(info, &again, NULL) == 0); /* as if it had been read as JSON */
    check_maps(point);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char url[] = "fuzz";
    CLEANUP_BUF struct buf said = {0}, slot = {0};
    const struct parser parser = {&said, say};
    const struct slot_id id = {{{1}}, {{2}}, {{3}}};
    const struct point_id point_id = {id.guest, id.session};
    CLEANUP(stored_point_freep) struct stored_point *point = NULL;
    CLEANUP_STORED_SUMMARY struct stored_summary summary = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    buf_append(&said, data, size);
    make_slot(&id, &slot);
    struct fuzz_store store = {{&fuzz_ops, url}, slot};
    const struct stored_scope scope = {&store.store, id.repository, "default", &parser};
    if (stored_point_read(&scope, &point_id, &point, &err) == 0)
        check_said_point(point);
    else
        FUZZ_CHECK(err.text && err.kind == ERR_CORRUPT);
    (void)stored_point_summary(&scope, &point_id, &summary, NULL);
    return 0;
}
