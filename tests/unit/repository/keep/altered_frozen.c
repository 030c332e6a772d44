/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "altered_frozen.h"

#include <stdlib.h>

#include "base/text.h"
#include "store/store_impl.h"

void frozen_clear(struct frozen *frozen)
{
    for (size_t i = 0; i < frozen->count; i++) {
        free((char *)frozen->items[i].entry.name);
        buf_clear(&frozen->items[i].bytes);
    }
    free(frozen->items);
    *frozen = (struct frozen){0};
}

static int freeze_entry(void *opaque, const struct store_entry *entry, struct err *err)
{
    struct frozen *frozen = opaque;

    (void)err;
    frozen->items = mem_resize(frozen->items, frozen->count + 1, sizeof(*frozen->items));
    frozen->items[frozen->count] = (struct frozen_entry){.entry = *entry};
    frozen->items[frozen->count++].entry.name = mem_strdup(entry->name);
    return 0;
}

int frozen_list(struct store *inner, const char *prefix, bool contents, struct frozen *frozen,
                struct err *err)
{
    const struct store_each each = {freeze_entry, frozen};

    frozen_clear(frozen);
    if (inner->ops->list(inner, prefix, &each, err) < 0)
        return -1;
    for (size_t i = 0; contents && i < frozen->count; i++) {
        struct frozen_entry *item = &frozen->items[i];
        size_t cap = (size_t)item->entry.size;
        struct store_range range = {item->entry.name, 0, buf_reserve(&item->bytes, cap + 1), cap};
        CLEANUP_ERR struct err why = ERR_INIT;
        if (inner->ops->get(inner, &range, &item->bytes.len, &why) < 0 && why.kind != ERR_NOT_FOUND)
            return err_move(err, &why);
    }
    return 0;
}

int frozen_tell(const struct frozen *frozen, const char *prefix, const struct store_each *each,
                struct err *err)
{
    for (size_t i = 0; i < frozen->count; i++)
        if (text_begins(frozen->items[i].entry.name, prefix) &&
            each->call(each->opaque, &frozen->items[i].entry, err) < 0)
            return -1;
    return 0;
}
