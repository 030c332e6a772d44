/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "altered_going.h"

#include <string.h>

#include "base/text.h"
#include "repository/format/slot.h"
#include "store/store_impl.h"

#define FLAGS_LAST 15 /* of a point: the last byte of its flags */

void going_clear(struct going *going)
{
    free(TAKE_PTR(going->part));
}

void going_note(struct going *going, const struct store_object *object)
{
    const uint8_t *bytes = object->data;

    if (going->altered->role != ROLE_WRITER || !text_begins(object->name, "p/"))
        return;
    going_clear(going);
    if (object->len > SLOT_TOMBSTONE_SIZE && bytes[FLAGS_LAST] & FLAG_PARTIAL)
        going->part = mem_strdup(object->name);
}

bool going_hides(const struct going *going, const char *name)
{
    enum altered_rule rule = going->altered->rule;

    if (!going->part || (!text_begins(name, "p/") && !text_begins(name, "t/")))
        return false;
    bool part = text_begins(name + 1, going->part + 1);
    return part ? rule == RULE_PART_NOT_LOOKED_AT : rule == RULE_BASE_NOT_LOOKED_AT_AGAIN;
}

struct going_look {
    const struct going *going;
    const struct store_each *each;
};

static int list_hidden(void *opaque, const struct store_entry *entry, struct err *err)
{
    const struct going_look *look = opaque;
    struct store_entry changed = *entry;

    if (going_hides(look->going, entry->name)) {
        if (entry->name[0] == 't')
            return 0;
        const struct memory_bytes copy = memory_look(look->going->altered->copies, entry->name);
        changed.size = copy.data ? copy.len : entry->size;
    }
    return look->each->call(look->each->opaque, &changed, err);
}

int going_list(const struct going *going, struct store *inner, const char *prefix,
               const struct store_each *each, struct err *err)
{
    struct going_look look = {going, each};
    const struct store_each hidden = {list_hidden, &look};

    return inner->ops->list(inner, prefix, &hidden, err);
}
