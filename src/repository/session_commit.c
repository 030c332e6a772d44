/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The end of a session: its slot is filled, by it or by somebody else.
 */
#include <string.h>

#include "repository/session_internal.h"

/* A slot that was removed may be free again after 30 days, so whoever might write into one later must
 * have ended by then. */
#define MAX_AGE_MS (INT64_C(30) * 24 * 60 * 60 * 1000)

/* ---- may it commit? -------------------------------------------------------------------------- */

static int check_age(const struct session *session, struct err *err)
{
    if (session_boot_ms() - session->start_boot_ms > MAX_AGE_MS)
        return err_set(err, ERR_UNSUPPORTED,
                       "the backup took more than 30 days, and a repository takes no such point");
    return 0;
}

static int check_announced(const struct session *session, struct err *err)
{
    CLEANUP_FREE char *name = objects_name(&session->scope, NAME_SESSION, &session->id, 0);
    CLEANUP_ERR struct err why = ERR_INIT;
    uint8_t byte = 0;
    struct store_range range = {.name = name, .data = &byte, .cap = 1};
    size_t len = 0;

    if (store_get(session->scope.store, &range, &len, &why) == 0)
        return 0;
    if (why.kind != ERR_NOT_FOUND)
        return err_move(err, &why);
    return err_set(err, ERR_TRANSIENT,
                   "%s/%s: is gone; was the repository set back to an earlier state? start the "
                   "backup again",
                   store_url(session->scope.store), name);
}

static int check_known_point(const struct session *session, const struct point_id *id,
                             struct err *err)
{
    enum slot_kind kind = SLOT_POINT;
    char text[ID_TEXT_SIZE];

    if (objects_slot_kind(&session->scope, id, &kind, err) < 0)
        return -1;
    if (kind != SLOT_POINT)
        return err_set(err, ERR_TRANSIENT,
                       "the point %s, on which this one builds, was removed in the meantime; "
                       "start the backup again",
                       id_text(&id->session, text));
    return 0;
}

static int check_known(const struct session *session, struct err *err)
{
    for (size_t i = 0; i < session->known_count; i++) {
        const struct slot_id *known = &session->known[i]->id;
        const struct point_id id = {known->guest, known->session};
        if (!session->known_gone[i] && check_known_point(session, &id, err) < 0)
            return -1;
    }
    return session->goes_on ? check_known_point(session, &session->former, err) : 0;
}

/* Names of packs, and those of the folders that have these names, are settled before the point. */
static int settle_packs(const struct session *session, struct err *err)
{
    CLEANUP_STRINGS struct strings folders = {0};

    if (session->next_number == 0)
        return 0;
    strings_take(&folders, mem_printf("d/%s/%02x", session->scope_name,
                                      session->id.session.bytes[ID_SIZE - 1]));
    strings_take(&folders, mem_printf("d/%s", session->scope_name));
    return store_settle(session->scope.store, &folders, err);
}

/* ---- the slot -------------------------------------------------------------------------------- */

static int set_fenced(const struct session *session, const char *name, struct err *err)
{
    return err_set(err, ERR_BUSY,
                   "%s/%s: fenced: a collection has taken this backup for dead, because it stored "
                   "nothing for so long; start it again",
                   store_url(session->scope.store), name);
}

int session_explain(const struct session *session, struct err *err)
{
    CLEANUP_FREE char *name = objects_name(&session->scope, NAME_SLOT, &session->id, 0);
    enum slot_kind kind = 0;

    if (objects_slot_kind(&session->scope, &session->id, &kind, NULL) < 0 || kind != SLOT_FENCED)
        return -1;
    err_clear(err);
    return set_fenced(session, name, err);
}

/* What is in the slot, which is filled, but not with these bytes. */
static int tell_slot(const struct session *session, const char *name, const struct buf *bytes,
                     struct err *err)
{
    const struct slot_id id = {session->scope.repository, session->id.session, session->id.guest};
    CLEANUP_SLOT struct slot slot = {0};

    if (slot_parse(bytes->data, bytes->len, &id, &slot, err) == 0) {
        if (slot.kind == SLOT_FENCED)
            return set_fenced(session, name, err);
        err_set(err, ERR_EXISTS,
                slot.kind == SLOT_POINT ? "there is another point" : "there is a tombstone");
    }
    return err_prefix(err, "%s/%s: somebody else has written there",
                      store_url(session->scope.store), name);
}

static int create_slot(const struct session *session, const void *data, size_t len, struct err *err)
{
    CLEANUP_FREE char *name = objects_name(&session->scope, NAME_SLOT, &session->id, 0);
    struct store_object object = {.name = name, .data = data, .len = len, .session = session->part};
    CLEANUP_BUF struct buf found = {0};
    enum store_outcome outcome = STORE_EXISTS;

    if (store_create(session->scope.store, &object, &outcome, err) < 0)
        return -1;
    if (outcome == STORE_MADE)
        return 0;
    /* The answer to a request that was sent again: the first one has made it. */
    if (store_read(session->scope.store, name,
                   len > SLOT_TOMBSTONE_SIZE ? len : SLOT_TOMBSTONE_SIZE, &found, err) < 0)
        return err_prefix(err, "somebody else has written there");
    if (found.len == len && memcmp(found.data, data, len) == 0)
        return 0;
    return tell_slot(session, name, &found, err);
}

/* The folder of a guest's first point may have been made by another session, which has not settled
 * it yet. */
static int settle_slot(const struct session *session, struct err *err)
{
    CLEANUP_STRINGS struct strings folders = {0};

    strings_take(&folders, mem_printf("p/%s", session->scope_name));
    return store_settle(session->scope.store, &folders, err);
}

int session_commit(struct session *session, const void *point, size_t len, struct err *err)
{
    if (settle_packs(session, err) < 0 || check_age(session, err) < 0 ||
        check_announced(session, err) < 0 || check_known(session, err) < 0 ||
        create_slot(session, point, len, err) < 0 || settle_slot(session, err) < 0)
        return session_explain(session, err);
    session->ended = true;
    return 0;
}

int session_give_up(struct session *session, struct err *err)
{
    CLEANUP_FREE char *name = objects_name(&session->scope, NAME_SLOT, &session->id, 0);
    const struct slot_id id = {session->scope.repository, session->id.session, session->id.guest};
    uint8_t tombstone[SLOT_TOMBSTONE_SIZE];
    struct store_object object = {
        .name = name, .data = tombstone, .len = sizeof(tombstone), .session = session->part};
    enum store_outcome outcome = STORE_MADE;

    slot_format_tombstone(SLOT_GIVEN_UP, &id, tombstone);
    session->ended = true;
    return store_create(session->scope.store, &object, &outcome, err);
}
