/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The first look, in this order, from which nothing may be moved:
 *   the trash, then holds: what is old enough in the trash, and not held, gets the verdict "taken".
 *       Who holds a point does so first and then looks at the trash, so one sees the other;
 *   slots, for their tombstones;
 *   the token of this collection. Whatever is read from here on is no older than the token, so if the
 *       repository is set back to before it was read, the token goes, too. But if it is set back to a
 *       moment after the token, what happened between that moment and a look has not happened any more.
 *       So what lets packs go, a verdict or a tombstone, counts only if it was there before the token;
 *   the trash again, for the verdicts that count;
 *   packs, before the points: a pack that is made later is not looked at;
 *   slots, and the packs of the points in them. If one has gone since the token, all begins anew;
 *   sessions, last: one that begins later lists the trash later, and builds on nothing that is in it.
 */
#include <string.h>

#include "base/random.h"
#include "repository/format/small_object.h"
#include "repository/keep/collection.h"
#include "repository/keep/marks.h"
#include "repository/keep/packs_cache.h"

#define TOKEN_RANDOM 8 /* bytes */

static const char removed_meanwhile[] = "another collection has removed points in the meantime";

/* ---- C1: the trash --------------------------------------------------------------------------- */

/* What was found before the token was made. */
struct before_token {
    struct collection_slots taken; /* points with the verdict "taken" */
    struct collection_slots slots;
};

static void before_token_clear(struct before_token *before)
{
    free(before->taken.items);
    free(before->slots.items);
}

/* Those that are open, old enough, and not held, are judged. */
static int take_marker(struct collection *work, const struct trash_marker *marker,
                       const struct marks *marks, int64_t now_ms, struct before_token *before,
                       struct err *err)
{
    const struct point_marks *point = marks_of(marks, &marker->point);
    enum trash_verdict verdict = TRASH_OPEN;
    CLEANUP_ERR struct err failure = ERR_INIT;

    if (marker->there && marker->verdict == TRASH_TAKEN)
        collection_slots_add(&before->taken, &marker->point, false);
    if (!marker->there || marker->verdict != TRASH_OPEN)
        return 0;
    if (point && point->held) {
        collection_tell(work, COLLECT_HELD, &marker->point, marker->time_ms, NULL);
        return 0;
    }
    if (now_ms - marker->time_ms < work->settings->trash_age_ms) {
        collection_tell(work, COLLECT_YOUNG, &marker->point, marker->time_ms, NULL);
        return 0;
    }
    if (work->settings->dry_run) {
        collection_slots_add(&work->taken, &marker->point, false);
        collection_tell(work, COLLECT_TAKEN, &marker->point, marker->time_ms, NULL);
        return 0;
    }
    if (trash_judge(&work->scope, marker, TRASH_TAKEN, &verdict, &failure) < 0 &&
        (collection_make_room(work, &failure) < 0 ||
         trash_judge(&work->scope, marker, TRASH_TAKEN, &verdict, &failure) < 0)) {
        if (failure.kind != ERR_NO_SPACE)
            return err_move(err, &failure);
        collection_tell(work, COLLECT_STAYS, &marker->point, 0, failure.text);
    }
    if (verdict == TRASH_TAKEN)
        collection_slots_add(&before->taken, &marker->point, false);
    return 0;
}

static int take_trash(struct collection *work, struct before_token *before, struct err *err)
{
    CLEANUP_STRINGS struct strings unknown = {0};
    CLEANUP_TRASH struct trash trash = {0};
    CLEANUP_MARKS struct marks marks = {0};
    int64_t now_ms = 0;

    if (trash_read(&work->scope, NULL, &unknown, &trash, err) < 0 ||
        marks_list(&work->scope, NULL, &unknown, &marks, err) < 0)
        return -1;
    if (work->settings->dry_run)
        now_ms = work->begun_ms;
    else if (trash.count > 0 && store_now(work->scope.store, &now_ms, err) < 0)
        return -1;
    for (size_t i = 0; i < unknown.count; i++)
        collection_tell(work, COLLECT_UNKNOWN, NULL, 0, unknown.items[i]);
    for (size_t i = 0; i < trash.count; i++)
        if (take_marker(work, &trash.markers[i], &marks, now_ms, before, err) < 0)
            return -1;
    collection_slots_sort(&before->taken);
    return 0;
}

/* T: each point once, in order. With dry_run those are in it that would be taken now. */
static int list_taken(struct collection *work, const struct before_token *before, struct err *err)
{
    CLEANUP_TRASH struct trash trash = {0};
    size_t taken = work->taken.count;

    if (trash_read(&work->scope, NULL, NULL, &trash, err) < 0)
        return -1;
    for (size_t i = 0; i < trash.count; i++) {
        const struct point_id *point = &trash.markers[i].point;
        if (!trash.markers[i].there || trash.markers[i].verdict != TRASH_TAKEN ||
            !collection_slots_find(&before->taken, point) ||
            (work->taken.count > taken &&
             objects_compare_points(&work->taken.items[work->taken.count - 1].point, point) == 0))
            continue;
        collection_slots_add(&work->taken, point, false);
        collection_tell(work, COLLECT_TAKEN, point, trash.markers[i].time_ms, NULL);
    }
    collection_slots_sort(&work->taken);
    return 0;
}

static int create_token(struct collection *work, const struct buf *content, struct err *err)
{
    struct name name = {.kind = NAME_COLLECTION};
    enum store_outcome outcome = STORE_EXISTS;

    if (random_hex(TOKEN_RANDOM, work->token, err) < 0)
        return -1;
    memcpy(name.scope, work->scope.name, strlen(work->scope.name) + 1);
    memcpy(name.random, work->token, sizeof(name.random));
    CLEANUP_FREE char *text = name_format(&name);
    struct store_object object = {.name = text, .data = content->data, .len = content->len};
    if (store_create(work->scope.store, &object, &outcome, err) < 0)
        return -1;
    if (outcome != STORE_MADE)
        return err_set(err, ERR_INTERNAL, "another collection has a token of the same name");
    return 0;
}

/* A token that may be there, as the store ran full while it was flushed, is left to later collections, like
 * that of one that died. */
static int make_token(struct collection *work, struct err *err)
{
    CLEANUP_SMALL_OBJECT struct small_object content = {
        .kind = SMALL_TOKEN, .host = mem_strdup(work->settings->host), .when_ms = work->begun_ms};
    CLEANUP_ERR struct err failure = ERR_INIT;
    CLEANUP_BUF struct buf bytes = {0};

    if (small_object_format(&content, &bytes, err) < 0)
        return -1;
    if (create_token(work, &bytes, &failure) == 0)
        return 0;
    if (collection_make_room(work, &failure) < 0)
        return err_move(err, &failure);
    return create_token(work, &bytes, err);
}

/* ---- C2: packs ------------------------------------------------------------------------------- */

/* Records of bad packs are taken for packs: so they go with the pack, or when it is gone already. */
struct packs_look {
    struct collection *work;
    struct pack_name {
        struct id session;
        uint32_t number;
    } *bad; /* owned; in order */
    size_t bad_count;
    size_t bad_next;
    struct strings unknown;
};

static void packs_look_clear(struct packs_look *look)
{
    free(look->bad);
    strings_clear(&look->unknown);
}

static int compare_pack_names(const void *a, const void *b)
{
    const struct pack_name *left = a, *right = b;
    int order = pack_set_compare(&left->session, &right->session);

    if (order == 0 && left->number != right->number)
        return left->number < right->number ? -1 : 1;
    return order;
}

static int add_bad_pack(void *opaque, const struct name *name, const struct store_entry *entry,
                        struct err *err)
{
    struct packs_look *look = opaque;

    (void)entry;
    (void)err;
    look->bad = mem_resize(look->bad, look->bad_count + 1, sizeof(*look->bad));
    look->bad[look->bad_count++] = (struct pack_name){name->session, name->number};
    return 0;
}

/* Adds those that come before this pack, or all that are left (NULL). */
static int add_lost_packs(struct packs_look *look, const struct pack_name *before, struct err *err)
{
    for (; look->bad_next < look->bad_count; look->bad_next++) {
        const struct pack_name *bad = &look->bad[look->bad_next];
        int order = before ? compare_pack_names(bad, before) : -1;
        if (order > 0)
            break;
        if (order < 0 &&
            pack_set_add(&look->work->candidates, &bad->session, bad->number, 0, err) < 0)
            return -1;
    }
    return 0;
}

static int add_listed_pack(void *opaque, const struct name *name, const struct store_entry *entry,
                           struct err *err)
{
    struct packs_look *look = opaque;
    const struct pack_name pack = {name->session, name->number};

    if (add_lost_packs(look, &pack, err) < 0)
        return -1;
    look->work->result->packs_seen++;
    return pack_set_add(&look->work->candidates, &name->session, name->number,
                        entry->size > UINT32_MAX ? UINT32_MAX : (uint32_t)entry->size, err);
}

static int list_packs(struct collection *work, struct err *err)
{
    CLEANUP(packs_look_clear) struct packs_look look = {.work = work};
    const struct objects_each bad = {add_bad_pack, &look, &look.unknown};
    const struct objects_each packs = {add_listed_pack, &look, &look.unknown, OBJECTS_FILES};

    if (objects_list(&work->scope, "v", "bad", &bad, err) < 0)
        return -1;
    if (look.bad_count > 1)
        qsort(look.bad, look.bad_count, sizeof(*look.bad), compare_pack_names);
    if (objects_list(&work->scope, "d", NULL, &packs, err) < 0 ||
        add_lost_packs(&look, NULL, err) < 0)
        return -1;
    for (size_t i = 0; i < look.unknown.count; i++)
        collection_tell(work, COLLECT_UNKNOWN, NULL, 0, look.unknown.items[i]);
    return 0;
}

/* ---- C3, C4: what points refer to ------------------------------------------------------------ */

/* The points that count, by session, for the cache. */
struct points_look {
    struct known_point {
        struct point_id point;
        bool done;
    } *items; /* owned */
    size_t count;
};

static void points_look_clear(struct points_look *look)
{
    free(look->items);
}

static int compare_known_points(const void *a, const void *b)
{
    return id_compare(&((const struct known_point *)a)->point.session,
                      &((const struct known_point *)b)->point.session);
}

static struct known_point *find_known_point(const struct points_look *look,
                                            const struct id *session)
{
    const struct known_point key = {.point.session = *session};

    return look->count == 0
               ? NULL
               : bsearch(&key, look->items, look->count, sizeof(key), compare_known_points);
}

static bool is_known_point(void *opaque, const struct id *session)
{
    const struct known_point *point = find_known_point(opaque, session);

    return point && !point->done;
}

static int mark_from_cache(struct collection *work, struct packs_cache *cache,
                           struct points_look *look, struct err *err)
{
    const struct packs_cache_wanted wanted = {is_known_point, look};

    for (;;) {
        CLEANUP_PACKS struct packs packs = {0};
        struct id session;
        int rc = packs_cache_next(cache, &wanted, &session, &packs, err);
        if (rc <= 0)
            return rc;
        find_known_point(look, &session)->done = true;
        pack_set_mark(&work->candidates, &packs);
    }
}

/* A point that is gone by now, or is a tombstone, refers to nothing. It was listed after the token was
 * made. */
static int mark_from_point(struct collection *work, struct packs_cache *cache,
                           const struct point_id *point, struct err *err)
{
    CLEANUP_FREE char *name = objects_name(&work->scope, NAME_SLOT, point, 0);
    const struct slot_id id = {work->scope.repository, point->session, point->guest};
    CLEANUP_ERR struct err failure = ERR_INIT;
    CLEANUP_SLOT struct slot slot = {0};
    CLEANUP_PACKS struct packs packs = {0};

    if (packs_read(work->scope.store, name, &id, &slot, &packs, &failure) < 0) {
        if (failure.kind != ERR_NOT_FOUND)
            return collection_explain_unreadable(work, &failure, err);
        slot.kind = SLOT_REMOVED;
    }
    if (slot.kind == SLOT_REMOVED && !work->settings->dry_run)
        work->stopped = removed_meanwhile;
    if (slot.kind != SLOT_POINT)
        return 0;
    pack_set_mark(&work->candidates, &packs);
    return packs_cache_add(cache, &point->session, &packs, err);
}

/* What has the length of a tombstone may be all that is left of a point, whose packs nobody knows. */
static int look_at_tombstone(const struct collection *work, const struct point_id *point,
                             struct err *err)
{
    CLEANUP_ERR struct err failure = ERR_INIT;
    enum slot_kind kind = 0;

    return objects_slot_kind(&work->scope, point, &kind, &failure) < 0
               ? collection_explain_unreadable(work, &failure, err)
               : 0;
}

static int mark_packs(struct collection *work, struct err *err)
{
    CLEANUP(packs_cache_closep) struct packs_cache *cache = NULL;
    CLEANUP(points_look_clear) struct points_look look = {0};
    CLEANUP_FREE char *name = collection_file_name(work, "packs");

    look.items = mem_array(work->listed.count + 1, sizeof(*look.items));
    for (size_t i = 0; i < work->listed.count; i++) {
        const struct collection_slot *slot = &work->listed.items[i];
        if (collection_slots_find(&work->taken, &slot->point))
            continue;
        if (!slot->tombstone)
            look.items[look.count++].point = slot->point;
        else if (look_at_tombstone(work, &slot->point, err) < 0)
            return -1;
    }
    qsort(look.items, look.count, sizeof(*look.items), compare_known_points);
    work->result->points_seen = look.count;
    if (packs_cache_open(work->settings->state_fd, name, &work->scope, &cache, err) < 0 ||
        mark_from_cache(work, cache, &look, err) < 0)
        return -1;
    for (size_t i = 0; i < look.count; i++)
        if (!look.items[i].done && mark_from_point(work, cache, &look.items[i].point, err) < 0)
            return -1;
    pack_set_drop_marked(&work->candidates);
    return 0;
}

/* Tombstones that points have got since the token was made. */
static int check_tombstones(struct collection *work, const struct before_token *before,
                            struct err *err)
{
    for (size_t i = 0; i < work->listed.count && !work->stopped; i++) {
        const struct collection_slot *slot = &work->listed.items[i];
        const struct collection_slot *earlier = collection_slots_find(&before->slots, &slot->point);
        CLEANUP_ERR struct err failure = ERR_INIT;
        enum slot_kind kind = SLOT_REMOVED;
        if (!slot->tombstone || (earlier && earlier->tombstone))
            continue;
        if (!earlier && objects_slot_kind(&work->scope, &slot->point, &kind, &failure) < 0 &&
            failure.kind != ERR_CORRUPT)
            return err_move(err, &failure);
        if (kind == SLOT_REMOVED)
            work->stopped = removed_meanwhile;
    }
    return 0;
}

/* ---- C5: sessions ---------------------------------------------------------------------------- */

static int add_session(void *opaque, const struct name *name, const struct store_entry *entry,
                       struct err *err)
{
    struct collection *work = opaque;
    struct collection_waits *waits = &work->waits;

    (void)entry;
    (void)err;
    waits->items = mem_resize(waits->items, waits->count + 1, sizeof(*waits->items));
    waits->items[waits->count++] = (struct collection_wait){.point = {name->guest, name->session}};
    return 0;
}

/* Slots are listed after the sessions: one that is not filled then belongs to a session that has not
 * ended. */
static int list_sessions(struct collection *work, struct err *err)
{
    const struct objects_each each = {add_session, work, NULL};
    struct collection_slots slots = {0};
    size_t count = 0;

    if (objects_list(&work->scope, "s", NULL, &each, err) < 0 ||
        collection_list_slots(work, &slots, err) < 0)
        return -1;
    for (size_t i = 0; i < work->waits.count; i++)
        if (!collection_slots_find(&slots, &work->waits.items[i].point))
            work->waits.items[count++] = work->waits.items[i];
    work->waits.count = count;
    free(slots.items);
    return 0;
}

int collect_look(struct collection *work, struct err *err)
{
    CLEANUP(before_token_clear) struct before_token before = {0};
    bool dry_run = work->settings->dry_run;

    if (collect_expect_look(work, err) < 0)
        return -1;
    if (dry_run)
        work->begun_ms = collect_wait_now_ms(); /* to ask the store would be a write */
    else if (store_now(work->scope.store, &work->begun_ms, err) < 0)
        return -1;
    if (take_trash(work, &before, err) < 0)
        return -1;
    if (!dry_run &&
        (collection_list_slots(work, &before.slots, err) < 0 || make_token(work, err) < 0))
        return -1;
    if (list_taken(work, &before, err) < 0 || list_packs(work, err) < 0 ||
        collection_list_slots(work, &work->listed, err) < 0 || mark_packs(work, err) < 0)
        return -1;
    if (dry_run)
        return 0;
    if (check_tombstones(work, &before, err) < 0)
        return -1;
    return work->stopped ? 0 : list_sessions(work, err);
}
