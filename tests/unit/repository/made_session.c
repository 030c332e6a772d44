/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "made_session.h"
#include "repository/listing.h"

struct id made_guest(uint8_t number)
{
    struct id id;

    memset(id.bytes, number, ID_SIZE);
    return id;
}

struct session_request made_request(uint8_t guest)
{
    return (struct session_request){.scope = REPOSITORY_SCOPE,
                                    .guest = made_guest(guest),
                                    .host = "alpha",
                                    .program = "virt-backup"};
}

struct session *made_session_begin(const struct repository *repository,
                                   const struct session_request *request)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct session *session = NULL;

    if (session_begin(repository, request, &session, &err) < 0)
        fail_msg("%s", err.text);
    return session;
}

void made_session_put_pack(struct session *session)
{
    static const struct id ids[2] = {{{1}}, {{2}}};
    static const struct pack_index_added frame = {
        .stored_len = 5, .raw_len = 2 * LIMITS_BLOCK, .block_count = 2, .ids = ids};
    CLEANUP(pack_writer_freep) struct pack_writer *writer = pack_writer_new(NULL);
    CLEANUP_ERR struct err err = ERR_INIT;
    struct pack_digest digest;
    uint32_t number = 0;

    assert_non_null(writer);
    assert_int_equal(pack_writer_add(writer, "frame", &frame, NULL), 0);
    if (session_put_pack(session, writer, &digest, &number, &err) < 0)
        fail_msg("%s", err.text);
}

static struct made_point made_for_session(const struct repository *repository,
                                          const struct session_request *request,
                                          const struct session *session, uint32_t flags)
{
    struct made_point made = made_point_usual();

    made.id = (struct slot_id){repository->id, *session_id(session), request->guest};
    made.flags = flags;
    if (flags & FLAG_PARTIAL)
        made.more_count = 0;
    made.packs.sessions[1].session = made.id.session;
    made.info.guest = request->guest;
    free(made.info.host);
    made.info.host = mem_strdup(request->host);
    made.info.derived = flags & FLAG_DERIVED;
    return made;
}

struct buf made_session_point(const struct repository *repository,
                              const struct session_request *request, const struct session *session,
                              uint32_t flags)
{
    CLEANUP_MADE_POINT struct made_point made =
        made_for_session(repository, request, session, flags);

    return made_point_bytes(&made);
}

struct id made_session_run_named(const struct repository *repository,
                                 const struct session_request *request, uint32_t flags,
                                 const char *name)
{
    CLEANUP(session_endp) struct session *session = made_session_begin(repository, request);
    CLEANUP_MADE_POINT struct made_point made =
        made_for_session(repository, request, session, flags);
    CLEANUP_BUF struct buf point = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    free(made.info.name);
    made.info.name = mem_strdup(name);
    point = made_point_bytes(&made);
    made_session_put_pack(session);
    if (session_commit(session, point.data, point.len, &err) < 0)
        fail_msg("%s", err.text);
    return *session_id(session);
}

struct id made_session_run(const struct repository *repository,
                           const struct session_request *request, uint32_t flags)
{
    return made_session_run_named(repository, request, flags, "web");
}

/* As many as the maps of made_point_usual go into. */
#define MADE_BLOCKS 5

static int put_made_pack(struct session *session, struct made_point *made, uint32_t place,
                         struct err *err)
{
    static const struct id ids[MADE_BLOCKS] = {{{1}}, {{2}}, {{3}}, {{4}}, {{5}}};
    static const struct pack_index_added frame = {.stored_len = 5,
                                                  .raw_len = MADE_BLOCKS * LIMITS_BLOCK,
                                                  .block_count = MADE_BLOCKS,
                                                  .ids = ids};
    CLEANUP(pack_writer_freep) struct pack_writer *writer = pack_writer_new(NULL);
    uint32_t number = 0;

    assert_non_null(writer);
    assert_int_equal(pack_writer_add(writer, "frame", &frame, NULL), 0);
    if (session_put_pack(session, writer, &made->digests[place], &number, err) < 0)
        return -1;
    return packs_add(&made->packs, session_id(session), number, err);
}

int made_session_back_up(const struct repository *repository, const struct session_request *request,
                         struct id *ret_id, struct err *err)
{
    CLEANUP(session_endp) struct session *session = NULL;
    CLEANUP_MADE_POINT struct made_point made = made_point_usual();

    if (session_begin(repository, request, &session, err) < 0)
        return -1;
    *ret_id = *session_id(session);
    made.id = (struct slot_id){repository->id, *ret_id, request->guest};
    made.info.guest = request->guest;
    packs_clear(&made.packs);
    const struct stored_point *base = session_base(session);
    if (base) {
        const struct pack_id pack = stored_point_pack(base, base->packs.count - 1);
        made.digests[0] = base->digests[base->packs.count - 1];
        assert_int_equal(packs_add(&made.packs, &pack.session, pack.number, NULL), 0);
    }
    for (uint32_t place = base ? 1 : 0; place < 3; place++)
        if (put_made_pack(session, &made, place, err) < 0)
            return -1;
    CLEANUP_BUF struct buf bytes = made_point_bytes(&made);
    return session_commit(session, bytes.data, bytes.len, err);
}

static void assert_whole_point(const struct stored_scope *scope, const struct point_id *id)
{
    CLEANUP(stored_point_freep) struct stored_point *point = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;

    if (stored_point_read(scope, id, &point, &err) < 0)
        fail_msg("%s", err.text);
    for (uint32_t i = 0; i < point->packs.count; i++) {
        CLEANUP_PACK struct pack pack = {0};
        const struct pack_id pack_id = stored_point_pack(point, i);
        if (pack_open(scope->store, scope->name, &pack_id, &point->digests[i], &pack, &err) < 0)
            fail_msg("a pack of a point: %s", err.text);
    }
}

unsigned made_session_assert_whole(const struct stored_scope *scope)
{
    CLEANUP_LISTING struct listing listing = {0};
    unsigned points = 0;

    assert_int_equal(listing_read(scope, NULL, NULL, &listing, NULL), 0);
    for (size_t i = 0; i < listing.count; i++) {
        if (listing.points[i].tombstone)
            continue;
        assert_whole_point(scope, &listing.points[i].id);
        points++;
    }
    return points;
}
