/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is left of sessions and points that have ended, and of dead collections. What belongs to a
 * point is listed before the slots are, and goes if there is no point in the slot then: it was made
 * while there was one. Tombstones of kind 2 and 3 stay for ever: the process that would fill the slot
 * may only be suspended. The writer of a removed point has had its answer.
 */
#include <stdlib.h>
#include <string.h>

#include "repository/keep/collection.h"

#define OLD_MS (INT64_C(30) * 24 * 3600 * 1000)

struct leftover {
    char *name; /* owned */
    struct point_id point;
};

struct leftovers {
    struct leftover *items; /* owned */
    size_t count;
    size_t cap;
};

struct tidying {
    struct collection *work;
    int64_t old_ms;             /* what was made before is old */
    struct leftovers of_points; /* of markers, verdicts, holds, tags, proofs */
    struct leftovers of_sessions;
    struct collection_slots slots;
    struct collection_slots old; /* tombstones */
    struct strings names;        /* to be deleted in any case */
};

static void leftovers_clear(struct leftovers *leftovers)
{
    for (size_t i = 0; i < leftovers->count; i++)
        free(leftovers->items[i].name);
    free(leftovers->items);
}

static void tidying_clear(struct tidying *tidying)
{
    leftovers_clear(&tidying->of_points);
    leftovers_clear(&tidying->of_sessions);
    free(tidying->slots.items);
    free(tidying->old.items);
    strings_clear(&tidying->names);
}

static void add_leftover(struct leftovers *leftovers, const struct name *name, const char *text)
{
    if (leftovers->count == leftovers->cap) {
        leftovers->cap = leftovers->cap ? 2 * leftovers->cap : 64;
        leftovers->items = mem_resize(leftovers->items, leftovers->cap, sizeof(*leftovers->items));
    }
    leftovers->items[leftovers->count++] =
        (struct leftover){mem_strdup(text), {name->guest, name->session}};
}

static int note_object(void *opaque, const struct name *name, const struct store_entry *entry,
                       struct err *err)
{
    struct tidying *tidying = opaque;

    (void)err;
    switch (name->kind) {
    case NAME_SESSION:
    case NAME_PART:
        add_leftover(&tidying->of_sessions, name, entry->name);
        break;
    case NAME_COLLECTION:
        if (entry->time_ms < tidying->old_ms)
            strings_add(&tidying->names, entry->name);
        break;
    default:
        add_leftover(&tidying->of_points, name, entry->name);
        break;
    }
    return 0;
}

static int note_lone_part(void *opaque, const struct store_entry *entry, struct err *err)
{
    struct tidying *tidying = opaque;
    struct name name;

    (void)err;
    if (name_parse(entry->name, &name) && name.kind == NAME_LONE_PART &&
        entry->time_ms < tidying->old_ms)
        strings_add(&tidying->names, entry->name);
    return 0;
}

static int note_slot(void *opaque, const struct name *name, const struct store_entry *entry,
                     struct err *err)
{
    struct tidying *tidying = opaque;
    const struct point_id point = {name->guest, name->session};
    bool tombstone = entry->size == SLOT_TOMBSTONE_SIZE;

    (void)err;
    collection_slots_add(&tidying->slots, &point, tombstone);
    if (tombstone && entry->time_ms < tidying->old_ms)
        collection_slots_add(&tidying->old, &point, true);
    return 0;
}

static int list_leftovers(struct tidying *tidying, struct err *err)
{
    const struct stored_scope *scope = &tidying->work->scope;
    const struct objects_each each = {note_object, tidying, .odd = OBJECTS_FILES};
    const struct objects_each slots = {note_slot, tidying};
    const struct store_each lone = {note_lone_part, tidying};

    if (objects_list(scope, "t", NULL, &each, err) < 0 ||
        objects_list(scope, "h", NULL, &each, err) < 0 ||
        objects_list(scope, "v", "ok", &each, err) < 0 ||
        objects_list(scope, "s", NULL, &each, err) < 0 ||
        objects_list(scope, "tmp", NULL, &each, err) < 0 ||
        objects_list(scope, "c", NULL, &each, err) < 0 ||
        store_list(scope->store, "tmp/", &lone, err) < 0 ||
        objects_list(scope, "p", NULL, &slots, err) < 0)
        return -1;
    collection_slots_sort(&tidying->slots);
    return 0;
}

/* A tombstone that another collection has just written may not be durable yet. */
static int settle_tombstones(const struct tidying *tidying, struct err *err)
{
    const struct stored_scope *scope = &tidying->work->scope;
    CLEANUP_STRINGS struct strings folders = {0};
    const struct id *last = NULL;
    char guest[ID_TEXT_SIZE];

    for (size_t i = 0; i < tidying->of_points.count; i++) {
        const struct point_id *point = &tidying->of_points.items[i].point;
        const struct collection_slot *slot = collection_slots_find(&tidying->slots, point);
        if (!slot || !slot->tombstone || (last && id_compare(last, &point->guest) == 0))
            continue;
        strings_take(&folders, mem_printf("p/%s/%s", scope->name, id_text(&point->guest, guest)));
        last = &point->guest;
    }
    return store_settle(scope->store, &folders, err);
}

static void choose_leftovers(struct tidying *tidying)
{
    for (size_t i = 0; i < tidying->of_points.count; i++) {
        struct leftover *leftover = &tidying->of_points.items[i];
        const struct collection_slot *slot =
            collection_slots_find(&tidying->slots, &leftover->point);
        if (!slot || slot->tombstone)
            strings_take(&tidying->names, TAKE_PTR(leftover->name));
    }
    for (size_t i = 0; i < tidying->of_sessions.count; i++) {
        struct leftover *leftover = &tidying->of_sessions.items[i];
        if (collection_slots_find(&tidying->slots, &leftover->point))
            strings_take(&tidying->names, TAKE_PTR(leftover->name));
    }
}

static int choose_tombstones(struct tidying *tidying, struct err *err)
{
    for (size_t i = 0; i < tidying->old.count; i++) {
        const struct point_id *point = &tidying->old.items[i].point;
        CLEANUP_ERR struct err failure = ERR_INIT;
        enum slot_kind kind = 0;
        if (objects_slot_kind(&tidying->work->scope, point, &kind, &failure) < 0 &&
            failure.kind != ERR_CORRUPT)
            return err_move(err, &failure);
        if (kind == SLOT_REMOVED)
            strings_take(&tidying->names, objects_name(&tidying->work->scope, NAME_SLOT, point, 0));
    }
    return 0;
}

int collect_tidy(struct collection *work, struct err *err)
{
    CLEANUP(tidying_clear) struct tidying tidying = {.work = work};
    struct name token = {.kind = NAME_COLLECTION};
    int64_t now_ms = 0;

    if (store_now(work->scope.store, &now_ms, err) < 0)
        return -1;
    tidying.old_ms = now_ms - OLD_MS;
    if (list_leftovers(&tidying, err) < 0 || settle_tombstones(&tidying, err) < 0)
        return -1;
    choose_leftovers(&tidying);
    if (choose_tombstones(&tidying, err) < 0)
        return -1;
    memcpy(token.scope, work->scope.name, strlen(work->scope.name) + 1);
    memcpy(token.random, work->token, sizeof(token.random));
    strings_take(&tidying.names, name_format(&token));
    return store_delete(work->scope.store, &tidying.names, err);
}
