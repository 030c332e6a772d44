/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a session may build on. All of it is listed and read after the session was announced: a copy
 * from before may be of a point that a collector has removed since, without waiting for anybody.
 */
#include <string.h>

#include "base/units.h"
#include "repository/listing.h"
#include "repository/session_internal.h"

/* ---- bad packs ------------------------------------------------------------------------------- */

static int note_bad_pack(void *opaque, const struct name *name, const struct store_entry *entry,
                         struct err *err)
{
    struct session *session = opaque;

    (void)entry;
    (void)err;
    session->bad_packs =
        mem_resize(session->bad_packs, session->bad_pack_count + 1, sizeof(*session->bad_packs));
    session->bad_packs[session->bad_pack_count++] =
        (struct session_bad_pack){name->session, name->number};
    return 0;
}

int session_find_bad_packs(struct session *session, struct err *err)
{
    const struct objects_each each = {.call = note_bad_pack, .opaque = session};

    return objects_list(&session->scope, "v", "bad", &each, err);
}

static int compare_bad_packs(const void *a, const void *b)
{
    const struct session_bad_pack *x = a, *y = b;
    int order = id_compare(&x->session, &y->session);

    return order ? order : (x->number > y->number) - (x->number < y->number);
}

/* They were listed by the bytes of their names, which is the same order. */
bool session_pack_is_bad(const struct session *session, const struct id *pack_session,
                         uint32_t number)
{
    const struct session_bad_pack key = {*pack_session, number};

    return session->bad_pack_count > 0 && bsearch(&key, session->bad_packs, session->bad_pack_count,
                                                  sizeof(key), compare_bad_packs) != NULL;
}

/* ---- points ---------------------------------------------------------------------------------- */

/* What cannot be read is no reason to make no backup, whatever keeps it from being read. */
static int pass_unreadable(struct session *session, struct err *why, struct err *err)
{
    if (why->kind == ERR_NOT_FOUND) /* gone since it was listed */
        return 0;
    if (!stored_point_is_unreadable(why))
        return err_move(err, why);
    strings_add(&session->unreadable, why->text);
    return 0;
}

/* *ret_flags is not touched if it is not a point that can be read. */
static int look_at_point(struct session *session, const struct point_id *id, bool *ret_there,
                         uint32_t *ret_flags, struct err *err)
{
    CLEANUP_ERR struct err why = ERR_INIT;
    CLEANUP_STORED_SUMMARY struct stored_summary summary = {0};

    *ret_there = false;
    if (stored_point_summary(&session->scope, id, &summary, &why) < 0)
        return pass_unreadable(session, &why, err);
    *ret_there = summary.kind == SLOT_POINT;
    *ret_flags = summary.flags;
    return 0;
}

/* Reads the whole point, and adds it to the known ones: *ret_added. */
static int add_known_point(struct session *session, const struct point_id *id, bool *ret_added,
                           struct err *err)
{
    CLEANUP_ERR struct err why = ERR_INIT;
    struct stored_point *point = NULL;

    *ret_added = false;
    if (stored_point_read(&session->scope, id, &point, &why) < 0)
        return pass_unreadable(session, &why, err);
    session->known[session->known_count++] = point;
    *ret_added = true;
    return 0;
}

/* Whether it has packs that no known point has, and there is room for it. A backup that took several
 * sessions has left a partial point of each, of which the newest has all; one that was begun again
 * and came less far has not. */
static int is_of_use(struct session *session, const struct point_id *id, bool *ret, struct err *err)
{
    CLEANUP_FREE char *name = objects_name(&session->scope, NAME_SLOT, id, 0);
    const struct slot_id slot_id = {session->scope.repository, id->session, id->guest};
    CLEANUP_ERR struct err why = ERR_INIT;
    CLEANUP_SLOT struct slot slot = {0};
    CLEANUP_PACKS struct packs packs = {0};
    uint64_t count = 0;

    *ret = false;
    if (packs_read(session->scope.store, name, &slot_id, &slot, &packs, &why) < 0)
        return pass_unreadable(session, &why, err);
    for (size_t i = 0; i < session->known_count; i++)
        count += session->known[i]->packs.count;
    if (session->known_count == SESSION_PARTIALS_MAX ||
        count + packs.count > SESSION_KNOWN_PACKS - UINT64_C(2) * LIMITS_POINT_PACKS)
        return 0;
    for (uint32_t i = 0; i < packs.count && !*ret; i++) {
        struct id pack_session;
        uint32_t number = 0, place = 0;
        bool known = false;
        packs_at(&packs, i, &pack_session, &number);
        for (size_t j = 0; j < session->known_count && !known; j++)
            known = packs_find(&session->known[j]->packs, &pack_session, number, &place);
        *ret = !known;
    }
    return 0;
}

/* Goes from the newest point to the oldest, and stops at the first complete one. Partial ones that are
 * newer come behind it in the end. */
static int find_own_points(struct session *session, const struct listing *listing, struct err *err)
{
    uint32_t flags = 0;

    for (size_t i = listing->count; i-- > 0 && !session->has_base;) {
        const struct listed_point *listed = &listing->points[i];
        bool there = !listed->tombstone && !listed->trashed, added = false;
        if ((there && look_at_point(session, &listed->id, &there, &flags, err) < 0) ||
            (there && (flags & FLAG_PARTIAL) && is_of_use(session, &listed->id, &there, err) < 0))
            return -1;
        if (!there || (flags & (FLAG_DERIVED | FLAG_PARTIAL)) == FLAG_DERIVED)
            continue;
        if (add_known_point(session, &listed->id, &added, err) < 0)
            return -1;
        session->has_base = added && !(flags & FLAG_PARTIAL);
    }
    if (session->has_base) {
        struct stored_point *base = session->known[session->known_count - 1];
        memmove(&session->known[1], &session->known[0],
                (session->known_count - 1) * sizeof(session->known[0]));
        session->known[0] = base;
    }
    return 0;
}

static int find_like_point(struct session *session, const struct listing *listing, struct err *err)
{
    bool found = false;
    uint32_t flags = 0;

    for (size_t i = listing->count; i-- > 0 && !found;) {
        const struct listed_point *listed = &listing->points[i];
        bool there = !listed->tombstone && !listed->trashed;
        if ((there && look_at_point(session, &listed->id, &there, &flags, err) < 0) ||
            (there && !(flags & FLAG_PARTIAL) &&
             add_known_point(session, &listed->id, &found, err) < 0))
            return -1;
    }
    return 0;
}

static void note_other_host(struct session *session)
{
    const struct stored_point *newest = NULL;

    for (size_t i = 0; i < session->known_count; i++)
        if (id_compare(&session->known[i]->id.guest, &session->id.guest) == 0 &&
            (!newest || id_compare(&session->known[i]->id.session, &newest->id.session) > 0))
            newest = session->known[i];
    if (newest && strcmp(newest->info.host, session->host) != 0)
        session->other_host = mem_strdup(newest->info.host);
}

static int list_own_points(struct session *session, struct listing *ret, bool *ret_behind,
                           int64_t *ret_time_ms, struct err *err)
{
    *ret_behind = false;
    if (listing_read(&session->scope, &session->id.guest, NULL, ret, err) < 0)
        return -1;
    if (ret->count == 0)
        return 0;
    int64_t newest_ms = id_time_ms(&ret->points[ret->count - 1].id.session);
    if (newest_ms - session->start_store_ms > DAY_MS)
        session->ahead_ms = newest_ms - session->start_store_ms;
    *ret_behind = newest_ms >= id_time_ms(&session->id.session);
    *ret_time_ms = newest_ms;
    return 0;
}

int session_find_points(struct session *session, const struct id *like, bool *ret_behind,
                        int64_t *ret_time_ms, struct err *err)
{
    CLEANUP_LISTING struct listing own = {0}, other = {0};

    if (list_own_points(session, &own, ret_behind, ret_time_ms, err) < 0)
        return -1;
    if (*ret_behind)
        return 0;
    if (find_own_points(session, &own, err) < 0)
        return -1;
    note_other_host(session);
    if (!like || id_compare(like, &session->id.guest) == 0)
        return 0;
    return listing_read(&session->scope, like, NULL, &other, err) < 0
               ? -1
               : find_like_point(session, &other, err);
}

/* ---- of a session before --------------------------------------------------------------------- */

/* Whether it is a point, and not in the trash. That is looked up anew after the session was announced:
 * what the former one saw counts for nothing. own: the points of the session's guest. */
static int is_still_there(struct session *session, const struct listing *own,
                          const struct point_id *id, bool *ret, struct err *err)
{
    CLEANUP_LISTING struct listing other = {0};
    const struct listing *listing = own;
    CLEANUP_ERR struct err why = ERR_INIT;
    enum slot_kind kind = 0;
    bool listed = false;

    *ret = false;
    if (id_compare(&id->guest, &session->id.guest) != 0) {
        if (listing_read(&session->scope, &id->guest, NULL, &other, err) < 0)
            return -1;
        listing = &other;
    }
    for (size_t i = 0; i < listing->count; i++)
        if (objects_compare_points(&listing->points[i].id, id) == 0)
            listed = !listing->points[i].tombstone && !listing->points[i].trashed;
    if (listed && objects_slot_kind(&session->scope, id, &kind, &why) < 0)
        return pass_unreadable(session, &why, err);
    *ret = listed && kind == SLOT_POINT;
    return 0;
}

int session_take_points(struct session *session, struct session *former, bool *ret_behind,
                        int64_t *ret_time_ms, struct err *err)
{
    CLEANUP_LISTING struct listing own = {0};
    char text[ID_TEXT_SIZE];
    bool there = false;

    if (list_own_points(session, &own, ret_behind, ret_time_ms, err) < 0)
        return -1;
    if (*ret_behind)
        return 0;
    session->goes_on = true;
    session->former = former->id;
    if (is_still_there(session, &own, &session->former, &there, err) < 0)
        return -1;
    if (!there)
        return err_set(
            err, ERR_TRANSIENT,
            "the point %s, which has what was done so far, was removed; start the backup "
            "again",
            id_text(&session->former.session, text));
    for (size_t i = 0; i < former->known_count; i++) {
        const struct slot_id *known = &former->known[i]->id;
        const struct point_id id = {known->guest, known->session};
        there = false;
        if (!former->known_gone[i] && is_still_there(session, &own, &id, &there, err) < 0)
            return -1;
        session->known_gone[i] = !there;
    }
    memcpy(session->known, former->known, sizeof(session->known));
    session->known_count = former->known_count;
    session->has_base = former->has_base;
    former->known_count = 0;
    return 0;
}
