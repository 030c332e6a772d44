/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/listing.h"

#include "repository/keep/trash.h"

void listing_clear(struct listing *listing)
{
    free(listing->points);
    *listing = (struct listing){0};
}

struct listing_look {
    struct listing listing;
    size_t cap;
    struct trash trash;
    struct strings *unknown;
};

static void listing_look_clear(struct listing_look *look)
{
    listing_clear(&look->listing);
    trash_clear(&look->trash);
}

static int add_listed_slot(void *opaque, const struct name *name, const struct store_entry *entry,
                           struct err *err)
{
    struct listing_look *look = opaque;
    struct listing *listing = &look->listing;
    const struct point_id id = {name->guest, name->session};

    (void)err;
    if (listing->count == look->cap) {
        look->cap = look->cap ? look->cap * 2 : 64;
        listing->points = mem_resize(listing->points, look->cap, sizeof(*listing->points));
    }
    listing->points[listing->count++] = (struct listed_point){
        .id = id,
        .size = entry->size,
        .time_ms = entry->time_ms,
        .tombstone = entry->size == SLOT_TOMBSTONE_SIZE,
        .trashed = trash_has(&look->trash, &id),
    };
    return 0;
}

int listing_read(const struct stored_scope *scope, const struct id *guest, struct strings *unknown,
                 struct listing *ret, struct err *err)
{
    CLEANUP(listing_look_clear) struct listing_look look = {0};
    const struct objects_each each = {add_listed_slot, &look, unknown,
                                      unknown ? OBJECTS_SHOWN : OBJECTS_STRICT};
    char below[ID_TEXT_SIZE];

    if (trash_read(scope, guest, unknown, &look.trash, err) < 0 ||
        objects_list(scope, "p", guest ? id_text(guest, below) : NULL, &each, err) < 0)
        return -1;
    *ret = look.listing;
    look.listing = (struct listing){0};
    return 0;
}

const struct listed_point *listing_of_guest(const struct listing *listing, const struct id *guest,
                                            size_t *ret_count)
{
    size_t first = 0, end = 0;

    while (first < listing->count && id_compare(&listing->points[first].id.guest, guest) < 0)
        first++;
    for (end = first; end < listing->count; end++)
        if (id_compare(&listing->points[end].id.guest, guest) != 0)
            break;
    *ret_count = end - first;
    return listing->points + first;
}
