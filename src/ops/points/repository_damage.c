/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/points/repository_damage.h"

#include "repository/check_records.h"
#include "repository/listing.h"

/* The packs of a point that has a bad one; those of others are not kept. */
struct damaged_point {
    struct point_id id;
    struct packs packs;
};

struct damaged_points {
    struct damaged_point *all; /* owned */
    size_t count;
};

static void damaged_points_clear(struct damaged_points *points)
{
    for (size_t i = 0; i < points->count; i++)
        packs_clear(&points->all[i].packs);
    free(points->all);
}

static bool needs_pack(const struct damaged_point *point, const struct check_bad_pack *pack)
{
    uint32_t place = 0;

    return packs_find(&point->packs, &pack->session, pack->number, &place);
}

/* What cannot be read has been told. */
static void look_for_damage(const struct stored_scope *scope, const struct point_id *id,
                            const struct check_bad_packs *bad, struct damaged_points *ret)
{
    CLEANUP_FREE char *name = objects_name(scope, NAME_SLOT, id, 0);
    const struct slot_id slot_id = {scope->repository, id->session, id->guest};
    struct damaged_point *point = &ret->all[ret->count];
    CLEANUP_SLOT struct slot slot = {0};
    bool needed = false;

    *point = (struct damaged_point){.id = *id};
    if (packs_read(scope->store, name, &slot_id, &slot, &point->packs, NULL) == 0)
        for (size_t i = 0; i < bad->count; i++)
            needed |= needs_pack(point, &bad->packs[i]);
    if (needed)
        ret->count++;
    else
        packs_clear(&point->packs);
}

static const char *name_of_damaged_guest(const struct repository_guests *guests,
                                         const struct id *id, char uuid[static ID_UUID_SIZE])
{
    for (size_t i = 0; i < guests->count; i++)
        if (id_compare(&guests->all[i].id, id) == 0)
            return guests->all[i].name;
    return id_uuid(id, uuid);
}

static void tell_damaged_pack(const struct stored_scope *scope, const struct check_bad_pack *pack,
                              const struct damaged_points *points,
                              const struct repository_guests *guests, const struct report *report)
{
    const struct pack_id id = {.session = pack->session, .number = pack->number};
    CLEANUP_FREE char *name = stored_point_pack_name(scope, &id);
    CLEANUP_STRINGS struct strings names = {0}, ids = {0};
    char uuid[ID_UUID_SIZE], session[ID_TEXT_SIZE];

    for (size_t i = 0; i < points->count; i++)
        if (needs_pack(&points->all[i], pack)) {
            strings_add(&names, name_of_damaged_guest(guests, &points->all[i].id.guest, uuid));
            strings_add(&ids, id_text(&points->all[i].id.session, session));
        }
    if (ids.count > 0)
        report_event(report, &(struct event){.kind = EVENT_DAMAGED_PACK,
                                             .damaged_pack = {scope->name, name, &names, &ids}});
}

int points_repository_tell_damage(struct points_store *store, const struct report *report,
                                  struct err *err)
{
    struct points_repository_view view;
    CLEANUP(points_repository_guests_clear) struct repository_guests guests = {0};
    CLEANUP(damaged_points_clear) struct damaged_points points = {0};
    CLEANUP_CHECK_BAD_PACKS struct check_bad_packs bad = {0};
    CLEANUP_LISTING struct listing listing = {0};
    CLEANUP_STRINGS struct strings unknown = {0};

    points_repository_look(store, &view);
    if (check_records_bad_packs(view.scope, &bad, err) < 0)
        return -1;
    if (bad.count == 0)
        return 0;
    if (listing_read(view.scope, NULL, &unknown, &listing, err) < 0 ||
        points_repository_guests(view.scope, &guests, err) < 0)
        return -1;
    points.all = mem_array(listing.count, sizeof(*points.all));
    for (size_t i = 0; i < listing.count; i++)
        if (!listing.points[i].tombstone)
            look_for_damage(view.scope, &listing.points[i].id, &bad, &points);
    for (size_t i = 0; i < bad.count; i++)
        tell_damaged_pack(view.scope, &bad.packs[i], &points, &guests, report);
    return 0;
}
