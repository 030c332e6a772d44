/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/session.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "repository/session_internal.h"

/* A collector waits for 24 hours before it takes a session that puts no packs for dead. */
#define PACK_DUE_MS (INT64_C(4) * 60 * 60 * 1000)
/* Each time round a newer point has come up in between. */
#define MAX_BEGINNINGS 100

int64_t session_boot_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- begin ----------------------------------------------------------------------------------- */

static int announce_session(struct session *session, const struct session_request *request,
                            struct err *err)
{
    CLEANUP_FREE char *name = objects_name(&session->scope, NAME_SESSION, &session->id, 0);
    CLEANUP_BUF struct buf bytes = {0};
    CLEANUP_SMALL_OBJECT struct small_object announcement = {
        .kind = SMALL_SESSION,
        .guest = session->id.guest,
        .session = session->id.session,
        .host = mem_strdup(request->host),
        .program = mem_strdup(request->program),
    };
    enum store_outcome outcome = STORE_EXISTS;

    free(session->part);
    session->part = mem_strdup(name + strlen("s/"));
    if (small_object_format(&announcement, &bytes, err) < 0)
        return -1;
    struct store_object object = {
        .name = name, .data = bytes.data, .len = bytes.len, .session = session->part};
    if (store_create(session->scope.store, &object, &outcome, err) < 0)
        return -1;
    if (outcome == STORE_EXISTS) {
        session->ended = true; /* the slot is the other's to fill */
        return err_set(err, ERR_EXISTS, "%s/%s: another session has this name",
                       store_url(session->scope.store), name);
    }
    return 0;
}

/* Announces the session under a name that is newer than all points of its guest. former: the one that
 * it goes on for; NULL: none. */
static int begin_above(struct session *session, const struct session_request *request,
                       struct session *former, struct err *err)
{
    int64_t time_ms = session->start_store_ms;
    bool behind = true;

    for (int i = 0; behind; i++) {
        if (i == MAX_BEGINNINGS)
            return err_set(err, ERR_TRANSIENT,
                           "other backups of this guest keep coming in between; try again later");
        if (id_of_time(time_ms, &session->id.session, err) < 0)
            return err_prefix(err, "no point can be newer than the newest one");
        session->ended = false;
        if (announce_session(session, request, err) < 0 ||
            (former ? session_take_points(session, former, &behind, &time_ms, err)
                    : session_find_points(session, request->like, &behind, &time_ms, err)) < 0 ||
            (behind && session_give_up(session, err) < 0))
            return -1;
        time_ms++;
    }
    return 0;
}

static int begin_session(const struct repository *repository, const struct session_request *request,
                         struct session *former, struct session **ret, struct err *err)
{
    CLEANUP(session_endp) struct session *session = mem_alloc(sizeof(*session));

    session->scope_name = mem_strdup(request->scope);
    session->scope = (struct stored_scope){repository->store, repository->id, session->scope_name,
                                           repository->parser};
    session->host = mem_strdup(request->host);
    session->program = mem_strdup(request->program);
    session->id.guest = request->guest;
    session->ended = true; /* nothing is announced */
    if (repository_add_scope(repository, request->scope, err) < 0 ||
        session_find_bad_packs(session, err) < 0 ||
        store_now(repository->store, &session->start_store_ms, err) < 0)
        return -1;
    session->start_boot_ms = session_boot_ms();
    session->last_pack_boot_ms = session->start_boot_ms;
    if (begin_above(session, request, former, err) < 0)
        return -1;
    *ret = TAKE_PTR(session);
    return 0;
}

int session_begin(const struct repository *repository, const struct session_request *request,
                  struct session **ret, struct err *err)
{
    return begin_session(repository, request, NULL, ret, err);
}

int session_go_on(const struct repository *repository, struct session **session, struct err *err)
{
    const struct session_request request = {
        .scope = (*session)->scope_name,
        .guest = (*session)->id.guest,
        .host = (*session)->host,
        .program = (*session)->program,
    };
    struct session *next = NULL;

    assert((*session)->ended);
    if (begin_session(repository, &request, *session, &next, err) < 0)
        return err_prefix(err, "the backup cannot go on");
    session_end(*session);
    *session = next;
    return 0;
}

void session_end(struct session *session)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    if (!session)
        return;
    if (!session->ended && session_give_up(session, &err) < 0)
        log_detail("cannot give up a session: %s", err.text);
    for (size_t i = 0; i < session->known_count; i++)
        stored_point_free(session->known[i]);
    strings_clear(&session->unreadable);
    free(session->bad_packs);
    free(session->other_host);
    free(session->host);
    free(session->program);
    free(session->part);
    free(session->scope_name);
    free(session);
}

/* ---- what is known --------------------------------------------------------------------------- */

const struct id *session_id(const struct session *session)
{
    return &session->id.session;
}

const struct stored_scope *session_scope(const struct session *session)
{
    return &session->scope;
}

int64_t session_now_ms(const struct session *session)
{
    return session->start_store_ms + session_boot_ms() - session->start_boot_ms;
}

const struct stored_point *session_base(const struct session *session)
{
    return session->has_base && !session->known_gone[0] ? session->known[0] : NULL;
}

const struct stored_point *session_known(const struct session *session, size_t number)
{
    return number < session->known_count ? session->known[number] : NULL;
}

bool session_known_is_gone(const struct session *session, size_t number)
{
    return session->known_gone[number];
}

struct session_notes session_notes(const struct session *session)
{
    return (struct session_notes){
        .other_host = session->other_host,
        .ahead_ms = session->ahead_ms,
        .unreadable = &session->unreadable,
    };
}

/* ---- packs ----------------------------------------------------------------------------------- */

/* Whether the object has as many bytes and the same tail, which has a hash of all of them. */
static int is_same_pack(struct store *store, const struct store_object *object, bool *ret,
                        struct err *err)
{
    uint8_t tail[PACK_TAIL_SIZE + 1];
    size_t offset = object->len - PACK_TAIL_SIZE, len = 0;
    struct store_range range = {object->name, offset, tail, sizeof(tail)};

    if (store_get(store, &range, &len, err) < 0)
        return -1;
    *ret = len == PACK_TAIL_SIZE &&
           memcmp(tail, (const uint8_t *)object->data + offset, PACK_TAIL_SIZE) == 0;
    return 0;
}

static int create_pack(const struct session *session, uint32_t number,
                       const struct pack_bytes *bytes, struct err *err)
{
    struct name parts = {.kind = NAME_PACK, .session = session->id.session, .number = number};
    enum store_outcome outcome = STORE_EXISTS;
    bool same = false;

    memcpy(parts.scope, session->scope_name, strlen(session->scope_name) + 1);
    CLEANUP_FREE char *name = name_format(&parts);
    struct store_object object = {.name = name,
                                  .data = bytes->data,
                                  .len = bytes->len,
                                  .session = session->part,
                                  .settle_later = true};
    if (store_create(session->scope.store, &object, &outcome, err) < 0)
        return -1;
    if (outcome == STORE_MADE)
        return 0;
    if (is_same_pack(session->scope.store, &object, &same, err) < 0)
        return -1;
    if (!same)
        return err_set(err, ERR_EXISTS,
                       "%s/%s: already exists, with other bytes; was this host set back to an "
                       "earlier state during the backup? start it again",
                       store_url(session->scope.store), name);
    return 0;
}

int session_put_pack(struct session *session, struct pack_writer *writer,
                     struct pack_digest *ret_digest, uint32_t *ret_number, struct err *err)
{
    const struct pack_id id = {session->scope.repository, session->id.session,
                               atomic_fetch_add(&session->next_number, 1)};
    struct pack_bytes bytes = {0};

    if (id.number >= LIMITS_PACK_NUMBER)
        return err_set(err, ERR_UNSUPPORTED, "one backup can store %u packs, and no more",
                       LIMITS_PACK_NUMBER);
    if (pack_writer_close(writer, &id, &bytes, err) < 0 ||
        create_pack(session, id.number, &bytes, err) < 0)
        return session_explain(session, err);
    *ret_digest = bytes.digest;
    *ret_number = id.number;
    session->last_pack_boot_ms = session_boot_ms();
    return 0;
}

int64_t session_age_ms(const struct session *session)
{
    return session_boot_ms() - session->start_boot_ms;
}

bool session_pack_is_due(const struct session *session)
{
    return session_boot_ms() - session->last_pack_boot_ms >= PACK_DUE_MS;
}
