/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/format/small_items.h"

#include <inttypes.h>

int small_items_format(const struct small_items *items, struct buf *ret, struct err *err)
{
    for (size_t i = 0; i < items->count; i++)
        if (items->items[i].len > LIMITS_SMALL_ITEM)
            return err_set(err, ERR_UNSUPPORTED, "a file of %zu bytes, and it may have %" PRIu64,
                           items->items[i].len, LIMITS_SMALL_ITEM);
    for (size_t i = 0; i < items->count; i++) {
        const struct small_item *item = &items->items[i];
        buf_put_be32(ret, item->kind);
        buf_put_be32(ret, 0);
        buf_put_be64(ret, item->len);
        buf_append(ret, item->data, item->len);
    }
    return 0;
}

int small_items_parse(const void *data, size_t len, struct small_items *ret, struct err *err)
{
    struct reader reader = reader_of(data, len);
    struct small_items items = {0};

    while (reader.left > 0) {
        uint32_t kind = reader_be32(&reader);
        uint32_t zeros = reader_be32(&reader);
        uint64_t size = reader_be64(&reader);
        if (reader_check(&reader, "its section SMALL", err) < 0)
            return -1;
        if (kind < ITEM_NVRAM || kind > ITEM_SAVE_HEADER ||
            (items.count > 0 && kind <= items.items[items.count - 1].kind))
            return err_set(err, ERR_CORRUPT, "item %" PRIu32 " is unknown or not in its place",
                           kind);
        if (zeros != 0)
            return err_set(err, ERR_CORRUPT, "item %" PRIu32 ": reserved bytes are not zero", kind);
        if (size > LIMITS_SMALL_ITEM)
            return err_set(err, ERR_CORRUPT,
                           "item %" PRIu32 " has %" PRIu64 " bytes, and may have %" PRIu64, kind,
                           size, LIMITS_SMALL_ITEM);
        const uint8_t *bytes = reader_bytes(&reader, (size_t)size);
        if (reader_check(&reader, "its section SMALL", err) < 0)
            return -1;
        items.items[items.count++] =
            (struct small_item){(enum small_item_kind)kind, bytes, (size_t)size};
    }
    *ret = items;
    return 0;
}
