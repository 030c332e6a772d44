/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/keep/collection.h"

#include <stdlib.h>
#include <string.h>

void collection_clear(struct collection *work)
{
    free(work->taken.items);
    free(work->listed.items);
    free(work->waits.items);
    pack_set_clear(&work->candidates);
    work->taken = work->listed = (struct collection_slots){0};
    work->waits = (struct collection_waits){0};
}

void collection_tell(const struct collection *work, enum collect_event_kind kind,
                     const struct point_id *point, int64_t time_ms, const char *text)
{
    struct collect_event event = {.kind = kind, .time_ms = time_ms, .text = text};

    if (point)
        event.point = *point;
    work->events->call(work->events->opaque, &event);
}

/* ---- room ------------------------------------------------------------------------------------ */

int collection_make_room(struct collection *work, struct err *failure)
{
    CLEANUP_STRINGS struct strings names = {0};

    if (failure->kind != ERR_NO_SPACE || work->reserve_used)
        return -1;
    strings_take(&names, name_format(&(struct name){.kind = NAME_RESERVE}));
    if (store_delete(work->scope.store, &names, NULL) < 0)
        return -1;
    work->reserve_used = true;
    collection_tell(work, COLLECT_RESERVED, NULL, 0, NULL);
    err_clear(failure);
    return 0;
}

int collection_create(struct collection *work, const struct store_object *object,
                      enum store_outcome *ret, struct err *err)
{
    CLEANUP_ERR struct err failure = ERR_INIT;

    if (store_create(work->scope.store, object, ret, &failure) == 0)
        return 0;
    if (collection_make_room(work, &failure) < 0)
        return err_move(err, &failure);
    return store_create(work->scope.store, object, ret, err);
}

/* ---- slots ----------------------------------------------------------------------------------- */

static int compare_collection_slots(const void *a, const void *b)
{
    return objects_compare_points(&((const struct collection_slot *)a)->point,
                                  &((const struct collection_slot *)b)->point);
}

void collection_slots_add(struct collection_slots *slots, const struct point_id *point,
                          bool tombstone)
{
    if (slots->count == slots->cap) {
        slots->cap = slots->cap ? 2 * slots->cap : 64;
        slots->items = mem_resize(slots->items, slots->cap, sizeof(*slots->items));
    }
    slots->items[slots->count++] =
        (struct collection_slot){.point = *point, .tombstone = tombstone};
}

void collection_slots_sort(struct collection_slots *slots)
{
    if (slots->count > 1)
        qsort(slots->items, slots->count, sizeof(*slots->items), compare_collection_slots);
}

struct collection_slot *collection_slots_find(const struct collection_slots *slots,
                                              const struct point_id *point)
{
    const struct collection_slot key = {.point = *point};

    return slots->count == 0 ? NULL
                             : bsearch(&key, slots->items, slots->count, sizeof(*slots->items),
                                       compare_collection_slots);
}

struct slots_look {
    struct collection *work;
    struct collection_slots *slots;
};

static int add_slot_of_listing(void *opaque, const struct name *name,
                               const struct store_entry *entry, struct err *err)
{
    const struct slots_look *look = opaque;
    const struct point_id point = {name->guest, name->session};

    (void)err;
    collection_slots_add(look->slots, &point, entry->size == SLOT_TOMBSTONE_SIZE);
    return 0;
}

int collection_list_slots(struct collection *work, struct collection_slots *ret, struct err *err)
{
    struct collection_slots slots = {0};
    struct slots_look look = {work, &slots};
    const struct objects_each each = {.call = add_slot_of_listing, .opaque = &look};

    if (objects_list(&work->scope, "p", NULL, &each, err) < 0) {
        free(slots.items);
        return -1;
    }
    collection_slots_sort(&slots);
    *ret = slots;
    return 0;
}

int collection_explain_unreadable(const struct collection *work, struct err *failure,
                                  struct err *err)
{
    if (failure->kind == ERR_CORRUPT)
        err_append(failure,
                   "as long as it is there, nothing is removed from scope '%s'; to set it aside, "
                   "run: virt-backup repair --set-aside",
                   work->scope.name);
    return err_move(err, failure);
}

int collection_spare_packs(struct collection *work, const struct point_id *point,
                           enum slot_kind *ret_kind, struct err *err)
{
    CLEANUP_FREE char *name = objects_name(&work->scope, NAME_SLOT, point, 0);
    const struct slot_id id = {work->scope.repository, point->session, point->guest};
    CLEANUP_ERR struct err failure = ERR_INIT;
    CLEANUP_SLOT struct slot slot = {0};
    CLEANUP_PACKS struct packs packs = {0};

    if (packs_read(work->scope.store, name, &id, &slot, &packs, &failure) == 0) {
        pack_set_mark(&work->candidates, &packs);
        *ret_kind = slot.kind;
        return 0;
    }
    if (failure.kind == ERR_NOT_FOUND) {
        *ret_kind = 0;
        return 0;
    }
    return collection_explain_unreadable(work, &failure, err);
}

/* ---- token ----------------------------------------------------------------------------------- */

int collection_check_token(struct collection *work, struct err *err)
{
    struct name name = {.kind = NAME_COLLECTION};
    CLEANUP_ERR struct err failure = ERR_INIT;
    uint8_t byte = 0;
    size_t len = 0;

    memcpy(name.scope, work->scope.name, strlen(work->scope.name) + 1);
    memcpy(name.random, work->token, sizeof(name.random));
    CLEANUP_FREE char *text = name_format(&name);
    struct store_range range = {.name = text, .data = &byte, .cap = 1};
    if (store_get(work->scope.store, &range, &len, &failure) == 0)
        return 0;
    if (failure.kind != ERR_NOT_FOUND)
        return err_move(err, &failure);
    work->stopped = "its token is gone: the repository was set back to an earlier state";
    return 0;
}
