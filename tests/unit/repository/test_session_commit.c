/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "session_fixture.h"

#include "repository/keep/marks.h"

/* ---- the commit ------------------------------------------------------------------------------ */

static void assert_commit_refused(struct fixture *fixture, enum err_kind kind, const char *text)
{
    CLEANUP_BUF struct buf data =
        made_session_point(fixture->folder.repository, &fixture->request, fixture->session, 0);
    CLEANUP_ERR struct err err = ERR_INIT;

    assert_int_equal(session_commit(fixture->session, data.data, data.len, &err), -1);
    assert_error(&err, kind, text);
}

static void after_30_days_it_is_too_late(void **state)
{
    FIXTURE;

    (void)state;
    begin_again(&fixture);
    slept_ms = 30 * DAY_MS + 1000;
    const struct point_id id = own_point(&fixture);
    assert_commit_refused(&fixture, ERR_UNSUPPORTED, "30 days");
    slept_ms = 30 * DAY_MS - 1000 * 1000;
    CLEANUP_BUF struct buf data = made_session_point(repository, request, fixture.session, 0);
    assert_int_equal(session_commit(fixture.session, data.data, data.len, NULL), 0);
    assert_int_equal(kind_of(&scope, &id.guest, &id.session), SLOT_POINT);
}

static void who_was_fenced_is_told(void **state)
{
    FIXTURE;

    (void)state;
    begin_again(&fixture);
    const struct point_id id = own_point(&fixture);
    put_tombstone(&scope, &id, SLOT_FENCED);
    assert_commit_refused(&fixture, ERR_BUSY, "fenced");
    session_end(TAKE_PTR(fixture.session));
    assert_int_equal(kind_of(&scope, &id.guest, &id.session), SLOT_FENCED);
}

static void other_things_in_the_slot_are_told(void **state)
{
    FIXTURE;

    (void)state;
    begin_again(&fixture);
    const struct point_id id = own_point(&fixture);
    CLEANUP_FREE char *name = objects_name(&scope, NAME_SLOT, &id, 0);
    put_tombstone(&scope, &id, SLOT_REMOVED);
    assert_commit_refused(&fixture, ERR_EXISTS, "tombstone");
    struct store_object object = {.name = name, .data = "?", .len = 1};
    assert_int_equal(store_replace(repository->store, &object, NULL), 0);
    assert_commit_refused(&fixture, ERR_CORRUPT, "somebody else");
    request->host = "bravo"; /* a point of the same size as its own */
    CLEANUP_BUF struct buf other = made_session_point(repository, request, fixture.session, 0);
    request->host = "alpha";
    object.data = other.data;
    object.len = other.len;
    assert_int_equal(store_replace(repository->store, &object, NULL), 0);
    assert_commit_refused(&fixture, ERR_EXISTS, "another point");
}

/* A request that is sent again, because its answer was lost, finds its own bytes. */
static void its_own_bytes_in_the_slot_are_its_point(void **state)
{
    FIXTURE;

    (void)state;
    begin_again(&fixture);
    const struct point_id id = own_point(&fixture);
    CLEANUP_FREE char *name = objects_name(&scope, NAME_SLOT, &id, 0);
    CLEANUP_BUF struct buf data = made_session_point(repository, request, fixture.session, 0);
    struct store_object object = {.name = name, .data = data.data, .len = data.len};
    assert_int_equal(store_replace(repository->store, &object, NULL), 0);
    assert_int_equal(session_commit(fixture.session, data.data, data.len, NULL), 0);
}

static void a_session_that_is_not_announced_any_more_ends(void **state)
{
    FIXTURE;

    (void)state;
    begin_again(&fixture);
    const struct point_id id = own_point(&fixture);
    CLEANUP_STRINGS struct strings names = {0};
    strings_take(&names, objects_name(&scope, NAME_SESSION, &id, 0));
    assert_int_equal(store_delete(repository->store, &names, NULL), 0);
    assert_commit_refused(&fixture, ERR_TRANSIENT, names.items[0]);
    assert_int_equal(kind_of(&scope, &id.guest, &id.session), 0);
}

static void a_base_that_was_removed_ends_the_session(void **state)
{
    const struct mark mark = {"remove", "test"};
    bool changed = false;
    FIXTURE;

    (void)state;
    const struct point_id base = {request->guest, made_session_run(repository, request, 0)};
    begin_again(&fixture);
    /* Nothing is collected while the session runs, so the trash alone does no harm. */
    assert_int_equal(marks_trash(&scope, &base, &mark, &changed, NULL), 0);
    CLEANUP_BUF struct buf data = made_session_point(repository, request, fixture.session, 0);
    assert_int_equal(session_commit(fixture.session, data.data, data.len, NULL), 0);
    begin_again(&fixture);
    put_tombstone(&scope,
                  &(struct point_id){request->guest, session_base(fixture.session)->id.session},
                  SLOT_REMOVED);
    const struct point_id id = own_point(&fixture);
    assert_commit_refused(&fixture, ERR_TRANSIENT, "removed in the meantime");
    assert_int_equal(kind_of(&scope, &id.guest, &id.session), 0);
}

/* ---- packs that exist ------------------------------------------------------------------------ */

static char *first_pack_name(const struct fixture *fixture)
{
    struct name parts = {
        .kind = NAME_PACK, .scope = REPOSITORY_SCOPE, .session = *session_id(fixture->session)};

    return name_format(&parts);
}

static int put_empty_pack(struct fixture *fixture, struct err *err)
{
    CLEANUP(pack_writer_freep) struct pack_writer *writer = pack_writer_new(NULL);
    struct pack_digest digest;
    uint32_t number = 0;

    return session_put_pack(fixture->session, writer, &digest, &number, err);
}

static void a_pack_with_other_bytes_ends_the_session(void **state)
{
    FIXTURE;

    (void)state;
    begin_again(&fixture);
    CLEANUP(pack_writer_freep) struct pack_writer *writer = pack_writer_new(NULL);
    const struct pack_id id = {repository->id, *session_id(fixture.session), 0};
    CLEANUP_FREE char *name = first_pack_name(&fixture);
    CLEANUP_ERR struct err err = ERR_INIT;
    struct pack_bytes bytes;
    assert_int_equal(pack_writer_close(writer, &id, &bytes, NULL), 0);
    CLEANUP_BUF struct buf other = {0};
    buf_append(&other, bytes.data, bytes.len);
    struct store_object object = {.name = name, .data = other.data, .len = other.len};
    assert_int_equal(store_replace(repository->store, &object, NULL), 0);
    assert_int_equal(put_empty_pack(&fixture, NULL), 0); /* the same bytes */

    begin_again(&fixture);
    CLEANUP_FREE char *second = first_pack_name(&fixture);
    object.name = second;
    assert_int_equal(store_replace(repository->store, &object, NULL), 0);
    assert_int_equal(put_empty_pack(&fixture, &err), -1);
    assert_error(&err, ERR_EXISTS, "other bytes");
}

/* The collection that has fenced a session removes what it has left: its announcement, and files that
 * are just being written. */
static void who_was_fenced_and_tidied_away_is_told(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_STRINGS struct strings gone = {0};
    FIXTURE;

    (void)state;
    begin_again(&fixture);
    const struct point_id id = own_point(&fixture);
    put_tombstone(&scope, &id, SLOT_FENCED);
    strings_take(&gone, objects_name(&scope, NAME_SESSION, &id, 0));
    assert_int_equal(store_delete(repository->store, &gone, NULL), 0);
    assert_commit_refused(&fixture, ERR_BUSY, "fenced");

    CLEANUP_FREE char *first = first_pack_name(&fixture);
    struct store_object object = {.name = first, .data = "?", .len = 1};
    assert_int_equal(store_replace(repository->store, &object, NULL), 0);
    assert_int_equal(put_empty_pack(&fixture, &err), -1);
    assert_error(&err, ERR_BUSY, "fenced");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_was_fenced_and_tidied_away_is_told),
        cmocka_unit_test(after_30_days_it_is_too_late),
        cmocka_unit_test(who_was_fenced_is_told),
        cmocka_unit_test(other_things_in_the_slot_are_told),
        cmocka_unit_test(its_own_bytes_in_the_slot_are_its_point),
        cmocka_unit_test(a_session_that_is_not_announced_any_more_ends),
        cmocka_unit_test(a_base_that_was_removed_ends_the_session),
        cmocka_unit_test(a_pack_with_other_bytes_ends_the_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
