/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The second look, and the removal. All sessions of the first look have ended: what they have made is
 * in slots that were not filled then, and what it refers to is spared. Points are removed before
 * their packs, and a point stays in the trash until its tombstone is durable: so that nobody builds
 * on it, and no power cut can bring it back as if nothing had happened.
 */
#include <string.h>

#include "repository/keep/collection.h"

#define PACKS_AT_ONCE 1000u

/* ---- C7: slots that were filled since -------------------------------------------------------- */

static int look_at_new_slot(struct collection *work, const struct point_id *point, struct err *err)
{
    CLEANUP_ERR struct err failure = ERR_INIT;
    enum slot_kind kind = SLOT_POINT;

    if (!collection_slots_find(&work->taken, point)) {
        if (collection_spare_packs(work, point, &kind, err) < 0)
            return -1;
    } else if (objects_slot_kind(&work->scope, point, &kind, &failure) < 0 &&
               failure.kind != ERR_CORRUPT) {
        return err_move(err, &failure);
    }
    if (kind == SLOT_REMOVED || kind == 0)
        work->stopped = "another collection has removed points in the meantime";
    return 0;
}

static int look_again(struct collection *work, struct err *err)
{
    struct collection_slots slots = {0};
    int rc = collection_list_slots(work, &slots, err);

    for (size_t i = 0; rc == 0 && !work->stopped && i < slots.count; i++) {
        const struct collection_slot *slot = &slots.items[i];
        const struct collection_slot *before = collection_slots_find(&work->listed, &slot->point);
        if (!before)
            rc = look_at_new_slot(work, &slot->point, err);
        else if (before->tombstone && !slot->tombstone)
            work->stopped = "a removed point is there again: the repository was set back to an "
                            "earlier state";
    }
    free(slots.items);
    return rc;
}

/* ---- C8: points ------------------------------------------------------------------------------ */

/* The point stays, and so do its packs. */
static int spare_point(struct collection *work, struct collection_slot *slot, const char *why,
                       struct err *err)
{
    enum slot_kind kind = 0;

    slot->out = true;
    collection_tell(work, COLLECT_STAYS, &slot->point, 0, why);
    return collection_spare_packs(work, &slot->point, &kind, err);
}

static int replace_point(struct collection *work, const struct point_id *point, struct err *err)
{
    CLEANUP_FREE char *name = objects_name(&work->scope, NAME_SLOT, point, 0);
    const struct slot_id id = {work->scope.repository, point->session, point->guest};
    uint8_t bytes[SLOT_TOMBSTONE_SIZE];
    struct store_object object = {.name = name, .data = bytes, .len = sizeof(bytes)};
    CLEANUP_ERR struct err failure = ERR_INIT;

    slot_format_tombstone(SLOT_REMOVED, &id, bytes);
    if (store_replace(work->scope.store, &object, &failure) == 0)
        return 0;
    if (collection_make_room(work, &failure) < 0)
        return err_move(err, &failure);
    return store_replace(work->scope.store, &object, err);
}

static int remove_taken_point(struct collection *work, struct collection_slot *slot,
                              const struct trash *trash, struct err *err)
{
    CLEANUP_ERR struct err failure = ERR_INIT;
    enum slot_kind kind = SLOT_POINT;

    if (objects_slot_kind(&work->scope, &slot->point, &kind, &failure) < 0 &&
        failure.kind != ERR_CORRUPT)
        return err_move(err, &failure);
    if (kind == 0) {
        slot->out = true; /* its marker goes, with nothing to settle */
        slot->tombstone = true;
        return 0;
    }
    if (kind != SLOT_POINT)
        return 0;
    if (!trash_has_taken(trash, &slot->point))
        return spare_point(work, slot, "it is not in the trash any more", err);
    err_clear(&failure);
    if (replace_point(work, &slot->point, &failure) == 0) {
        work->result->points_removed++;
        collection_tell(work, COLLECT_REMOVED, &slot->point, 0, NULL);
        return 0;
    }
    kind = SLOT_POINT;
    if (objects_slot_kind(&work->scope, &slot->point, &kind, NULL) == 0 && kind == SLOT_REMOVED)
        return 0;
    return spare_point(work, slot, failure.text, err);
}

static int settle_points(const struct collection *work, struct err *err)
{
    CLEANUP_STRINGS struct strings folders = {0};
    char guest[ID_TEXT_SIZE];

    for (size_t i = 0; i < work->taken.count; i++) {
        const struct id *id = &work->taken.items[i].point.guest;
        if (!work->taken.items[i].out &&
            (i == 0 || folders.count == 0 ||
             id_compare(id, &work->taken.items[i - 1].point.guest) != 0))
            strings_take(&folders, mem_printf("p/%s/%s", work->scope.name, id_text(id, guest)));
    }
    return store_settle(work->scope.store, &folders, err);
}

static int note_name(void *opaque, const struct name *name, const struct store_entry *entry,
                     struct err *err)
{
    (void)name;
    (void)err;
    strings_add(opaque, entry->name);
    return 0;
}

/* Markers and verdicts, then holds and tags, then the announcement of its session. */
static int delete_marks(struct collection *work, const struct point_id *point,
                        const struct trash *trash, struct err *err)
{
    CLEANUP_STRINGS struct strings names = {0};
    const struct objects_each each = {note_name, &names, NULL};
    char guest[ID_TEXT_SIZE], session[ID_TEXT_SIZE];
    CLEANUP_FREE char *below =
        mem_printf("%s/%s", id_text(&point->guest, guest), id_text(&point->session, session));
    size_t count = 0;
    const struct trash_marker *markers = trash_of(trash, point, &count);

    for (size_t i = 0; i < count; i++) {
        strings_take(&names, objects_name(&work->scope, NAME_MARKER, point, markers[i].number));
        strings_take(&names, objects_name(&work->scope, NAME_VERDICT, point, markers[i].number));
    }
    if (objects_list(&work->scope, "h", below, &each, err) < 0)
        return -1;
    strings_take(&names, objects_name(&work->scope, NAME_SESSION, point, 0));
    return store_delete(work->scope.store, &names, err);
}

static int settle_trash(const struct collection *work, struct err *err)
{
    CLEANUP_STRINGS struct strings folders = {0};
    char guest[ID_TEXT_SIZE];

    for (size_t i = 0; i < work->taken.count; i++) {
        const struct id *id = &work->taken.items[i].point.guest;
        if (i == 0 || id_compare(id, &work->taken.items[i - 1].point.guest) != 0)
            strings_take(&folders, mem_printf("t/%s/%s", work->scope.name, id_text(id, guest)));
    }
    return store_settle(work->scope.store, &folders, err);
}

static int remove_points(struct collection *work, struct err *err)
{
    CLEANUP_TRASH struct trash trash = {0};

    if (work->taken.count == 0)
        return 0;
    if (trash_read(&work->scope, NULL, NULL, &trash, err) < 0)
        return -1;
    for (size_t i = 0; i < work->taken.count; i++)
        if (remove_taken_point(work, &work->taken.items[i], &trash, err) < 0)
            return -1;
    if (settle_points(work, err) < 0)
        return -1;
    for (size_t i = 0; i < work->taken.count; i++) {
        const struct collection_slot *slot = &work->taken.items[i];
        if ((!slot->out || slot->tombstone) && delete_marks(work, &slot->point, &trash, err) < 0)
            return -1;
    }
    return settle_trash(work, err);
}

/* ---- C9: packs ------------------------------------------------------------------------------- */

static char *pack_object_name(const struct collection *work, enum name_kind kind,
                              const struct id *session, uint32_t number)
{
    const struct point_id point = {.session = *session};

    return objects_name(&work->scope, kind, &point, number);
}

/* Packs that go together, and what of them the result is to count. */
struct pack_batch {
    struct strings names; /* owned */
    uint64_t packs;
    uint64_t bytes;
};

static void pack_batch_clear(struct pack_batch *batch)
{
    strings_clear(&batch->names);
    batch->packs = batch->bytes = 0;
}

static int delete_packs(struct collection *work, struct pack_batch *batch, struct err *err)
{
    if (collection_check_token(work, err) < 0)
        return -1;
    if (!work->stopped) {
        if (store_delete(work->scope.store, &batch->names, err) < 0)
            return -1;
        work->result->packs_removed += batch->packs;
        work->result->bytes_removed += batch->bytes;
    }
    pack_batch_clear(batch);
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The record that a pack is bad goes before the pack: nobody can refer to that any more. */
static int remove_packs(struct collection *work, const struct strings *bad, struct err *err)
{
    const struct pack_set *set = &work->candidates;
    CLEANUP(pack_batch_clear) struct pack_batch batch = {0};
    uint32_t session = 0;

    for (uint32_t place = 0; place < set->count && !work->stopped; place++) {
        const struct id *id = pack_set_session_of(set, place, &session);
        CLEANUP_FREE char *record =
            bad->count ? pack_object_name(work, NAME_BAD_PACK, id, set->numbers[place]) : NULL;
        if (record && bsearch(&record, bad->items, bad->count, sizeof(record), compare_names))
            strings_take(&batch.names, TAKE_PTR(record));
        strings_take(&batch.names, pack_object_name(work, NAME_PACK, id, set->numbers[place]));
        batch.packs += set->sizes[place] > 0;
        batch.bytes += set->sizes[place];
        if (batch.names.count >= PACKS_AT_ONCE && delete_packs(work, &batch, err) < 0)
            return -1;
    }
    return batch.names.count > 0 ? delete_packs(work, &batch, err) : 0;
}

int collect_remove(struct collection *work, struct err *err)
{
    CLEANUP_STRINGS struct strings bad = {0};
    const struct objects_each each = {note_name, &bad, NULL};

    if (look_again(work, err) < 0 || work->stopped || collection_check_token(work, err) < 0 ||
        work->stopped || remove_points(work, err) < 0)
        return work->stopped ? 0 : -1;
    pack_set_drop_marked(&work->candidates);
    if (objects_list(&work->scope, "v", "bad", &each, err) < 0)
        return -1;
    return remove_packs(work, &bad, err);
}
