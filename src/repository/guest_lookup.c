/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/guest_lookup.h"

#include <string.h>

#include "base/buf.h"
#include "repository/listing.h"
#include "repository/stored_point.h"

static bool is_point(const struct listed_point *listed)
{
    return !listed->tombstone && !listed->trashed;
}

/* The name of a guest as its newest readable point has it; NULL if none tells. The caller frees. */
static int newest_name(const struct stored_scope *scope, const struct listed_point *points,
                       size_t count, char **ret, struct err *err)
{
    *ret = NULL;
    for (size_t i = count; i-- > 0 && !*ret;) {
        CLEANUP_STORED_SUMMARY struct stored_summary summary = {0};
        CLEANUP_ERR struct err why = ERR_INIT;
        if (!is_point(&points[i]))
            continue;
        if (stored_point_summary(scope, &points[i].id, &summary, &why) == 0) {
            if (summary.kind == SLOT_POINT)
                *ret = mem_strdup(summary.info.name);
        } else if (why.kind != ERR_NOT_FOUND && !stored_point_is_unreadable(&why)) {
            return err_move(err, &why);
        }
    }
    return 0;
}

static bool has_point(const struct listing *listing, const struct id *guest)
{
    size_t count = 0;
    const struct listed_point *points = listing_of_guest(listing, guest, &count);

    for (size_t i = 0; i < count; i++)
        if (is_point(&points[i]))
            return true;
    return false;
}

/* All guests of a name. */
struct guest_search {
    const char *name;
    size_t count;
    struct id guest;  /* the last of them */
    struct buf uuids; /* text: of all */
};

static int search_guests(const struct stored_scope *scope, const struct listing *listing,
                         struct guest_search *search, struct err *err)
{
    size_t count = 0;

    for (size_t first = 0; first < listing->count; first += count) {
        CLEANUP_FREE char *name = NULL;
        char uuid[ID_UUID_SIZE];
        const struct id *guest = &listing->points[first].id.guest;
        const struct listed_point *points = listing_of_guest(listing, guest, &count);
        if (newest_name(scope, points, count, &name, err) < 0)
            return -1;
        if (!name || strcmp(name, search->name) != 0)
            continue;
        buf_printf(&search->uuids, "%s%s", search->count ? ", " : "", id_uuid(guest, uuid));
        search->guest = *guest;
        search->count++;
    }
    return 0;
}

static void guest_search_clear(struct guest_search *search)
{
    buf_clear(&search->uuids);
}

int guest_lookup(const struct stored_scope *scope, const char *text, struct id *ret,
                 struct err *err)
{
    CLEANUP_LISTING struct listing listing = {0};
    CLEANUP(guest_search_clear) struct guest_search search = {.name = text};
    struct id guest = {0};

    if (listing_read(scope, NULL, NULL, &listing, err) < 0)
        return -1;
    if (id_parse_uuid(text, &guest) && has_point(&listing, &guest)) {
        *ret = guest;
        return 0;
    }
    if (search_guests(scope, &listing, &search, err) < 0)
        return -1;
    if (search.count == 0)
        return err_set(err, ERR_NOT_FOUND, "%s: scope '%s' has no point of a guest '%s'",
                       store_url(scope->store), scope->name, text);
    if (search.count > 1)
        return err_set(err, ERR_USAGE, "%zu guests are called '%s': %.*s; give one of these UUIDs",
                       search.count, text, (int)search.uuids.len, (const char *)search.uuids.data);
    *ret = search.guest;
    return 0;
}
