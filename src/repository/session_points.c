/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What a session may build on. All of it is listed and read after the session was announced: a copy
 * from before may be of a point that a collector has removed since, without waiting for anybody.
 */
#include <string.h>

#include "repository/listing.h"
#include "repository/session_internal.h"

#define DAY_MS (INT64_C(24) * 60 * 60 * 1000)

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
    if (why->kind != ERR_CORRUPT && why->kind != ERR_UNSUPPORTED && why->kind != ERR_DENIED &&
        why->kind != ERR_IO)
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

/* Goes from the newest point to the oldest, and stops at the first complete one. A partial one that is
 * newer comes behind it in the end. */
static int find_own_points(struct session *session, const struct listing *listing, struct err *err)
{
    bool has_partial = false;
    uint32_t flags = 0;

    for (size_t i = listing->count; i-- > 0 && !session->has_base;) {
        const struct listed_point *listed = &listing->points[i];
        bool there = !listed->tombstone && !listed->trashed, added = false;
        if (there && look_at_point(session, &listed->id, &there, &flags, err) < 0)
            return -1;
        if (!there || (flags & FLAG_DERIVED) || ((flags & FLAG_PARTIAL) && has_partial))
            continue;
        if (add_known_point(session, &listed->id, &added, err) < 0)
            return -1;
        if (added && (flags & FLAG_PARTIAL))
            has_partial = true;
        else if (added)
            session->has_base = true;
    }
    if (session->has_base && has_partial) {
        struct stored_point *partial = session->known[0];
        session->known[0] = session->known[1];
        session->known[1] = partial;
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

int session_find_points(struct session *session, const struct id *like, bool *ret_behind,
                        int64_t *ret_time_ms, struct err *err)
{
    CLEANUP_LISTING struct listing own = {0}, other = {0};

    *ret_behind = false;
    if (listing_read(&session->scope, &session->id.guest, NULL, &own, err) < 0)
        return -1;
    if (own.count > 0) {
        int64_t newest_ms = id_time_ms(&own.points[own.count - 1].id.session);
        if (newest_ms - session->start_store_ms > DAY_MS)
            session->ahead_ms = newest_ms - session->start_store_ms;
        *ret_behind = newest_ms >= id_time_ms(&session->id.session);
        *ret_time_ms = newest_ms;
        if (*ret_behind)
            return 0;
    }
    if (find_own_points(session, &own, err) < 0)
        return -1;
    note_other_host(session);
    if (!like || id_compare(like, &session->id.guest) == 0)
        return 0;
    return listing_read(&session->scope, like, NULL, &other, err) < 0
               ? -1
               : find_like_point(session, &other, err);
}
