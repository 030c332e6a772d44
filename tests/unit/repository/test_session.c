/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <unistd.h>

#include "session_fixture.h"

#include "repository/keep/marks.h"

/* ---- ids, which a host that was set back to an earlier state may make again ------------------- */

int __real_id_of_time(int64_t time_ms, struct id *ret, struct err *err);
int __wrap_id_of_time(int64_t time_ms, struct id *ret, struct err *err);

static const struct id *made_again; /* NULL: each is new */

int __wrap_id_of_time(int64_t time_ms, struct id *ret, struct err *err)
{
    if (!made_again)
        return __real_id_of_time(time_ms, ret, err);
    *ret = *made_again;
    return 0;
}

/* ---- one session ----------------------------------------------------------------------------- */

static void a_session_is_announced_and_its_point_can_be_read(void **state)
{
    CLEANUP_SMALL_OBJECT struct small_object announced = {0};
    CLEANUP(stored_point_freep) struct stored_point *point = NULL;
    CLEANUP_BUF struct buf bytes = {0};
    FIXTURE;

    (void)state;
    begin_again(&fixture);
    const struct point_id id = own_point(&fixture);
    CLEANUP_FREE char *name = objects_name(&scope, NAME_SESSION, &id, 0);
    assert_int_equal(store_read(repository->store, name, 4096, &bytes, NULL), 0);
    assert_int_equal(small_object_parse(SMALL_SESSION, bytes.data, bytes.len, &announced, NULL), 0);
    assert_memory_equal(&announced.session, &id.session, ID_SIZE);
    assert_memory_equal(&announced.guest, &id.guest, ID_SIZE);
    assert_string_equal(announced.host, "alpha");
    assert_null(session_base(fixture.session));
    assert_null(session_known(fixture.session, 0));

    made_session_put_pack(fixture.session);
    CLEANUP_BUF struct buf data = made_session_point(repository, request, fixture.session, 0);
    assert_int_equal(session_commit(fixture.session, data.data, data.len, NULL), 0);
    session_end(TAKE_PTR(fixture.session));
    assert_int_equal(stored_point_read(&scope, &id, &point, NULL), 0);
    CLEANUP_FREE char *pack =
        mem_printf("%s/d/default/%02x", fixture.folder.path, id.session.bytes[ID_SIZE - 1]);
    assert_int_equal(access(pack, F_OK), 0);
}

static void packs_are_numbered_and_can_be_opened(void **state)
{
    CLEANUP(pack_writer_freep) struct pack_writer *writer = pack_writer_new(NULL);
    struct pack_digest digest;
    uint32_t number = 0;
    FIXTURE;

    (void)state;
    begin_again(&fixture);
    for (uint32_t i = 0; i < 3; i++) {
        CLEANUP_PACK struct pack pack = {0};
        assert_int_equal(session_put_pack(fixture.session, writer, &digest, &number, NULL), 0);
        assert_int_equal(number, i);
        pack_writer_begin(writer);
        const struct pack_id id = {repository->id, *session_id(fixture.session), i};
        assert_int_equal(pack_open(repository->store, REPOSITORY_SCOPE, &id, &digest, &pack, NULL),
                         0);
    }
}

static void a_session_that_ends_without_a_point_gives_up(void **state)
{
    FIXTURE;

    (void)state;
    begin_again(&fixture);
    const struct point_id id = own_point(&fixture);
    assert_int_equal(kind_of(&scope, &id.guest, &id.session), 0);
    session_end(TAKE_PTR(fixture.session));
    assert_int_equal(kind_of(&scope, &id.guest, &id.session), SLOT_GIVEN_UP);
}

static void another_session_of_the_same_id_is_left_alone(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct session *second = NULL;
    FIXTURE;

    (void)state;
    begin_again(&fixture);
    const struct point_id id = own_point(&fixture);
    made_again = &id.session;
    int result = session_begin(repository, request, &second, &err);
    made_again = NULL;
    assert_int_equal(result, -1);
    assert_int_equal(err.kind, ERR_EXISTS);
    assert_int_equal(kind_of(&scope, &id.guest, &id.session), 0);
}

static void a_new_scope_is_made(void **state)
{
    FIXTURE;

    (void)state;
    request->scope = "lab";
    begin_again(&fixture);
    CLEANUP_BUF struct buf data = made_session_point(repository, request, fixture.session, 0);
    assert_int_equal(session_commit(fixture.session, data.data, data.len, NULL), 0);
}

/* ---- what it builds on ----------------------------------------------------------------------- */

static void the_base_is_the_newest_complete_point(void **state)
{
    FIXTURE;

    (void)state;
    made_session_run(repository, request, 0);
    struct id newest = made_session_run(repository, request, 0);
    struct session_request another = made_request(8);
    made_session_run(repository, &another, 0);
    begin_again(&fixture); /* leaves a tombstone */
    begin_again(&fixture);
    assert_memory_equal(&session_base(fixture.session)->id.session, &newest, ID_SIZE);
    assert_known(fixture.session, 0, &newest);
    assert_known(fixture.session, 1, NULL);
    assert_null(session_notes(fixture.session).other_host);
    assert_int_equal(session_notes(fixture.session).ahead_ms, 0);
    assert_int_equal(session_notes(fixture.session).unreadable->count, 0);
}

static int parse_and_count(void *opaque, const struct parser_task *task, struct buf *ret,
                           struct err *err)
{
    ++*(unsigned *)opaque;
    return task->function(task->data, task->len, ret, err);
}

/* What others have written is not parsed in this process if there is a parser. */
static void points_are_given_to_the_parser(void **state)
{
    unsigned parsed = 0;
    const struct parser parser = {&parsed, parse_and_count};
    FIXTURE;

    (void)state;
    made_session_run(repository, request, 0);
    repository->parser = &parser;
    begin_again(&fixture);
    assert_non_null(session_base(fixture.session));
    assert_int_equal(parsed, 2); /* the summary, and the whole point */
}

static int die_at_the_newest(void *opaque, const struct parser_task *task, struct buf *ret,
                             struct err *err)
{
    if (memcmp(task->data, opaque, sizeof(struct slot_id)) == 0)
        return err_set(err, ERR_IO, "the process that parses it has ended");
    return task->function(task->data, task->len, ret, err);
}

/* Be it for a bad sector, or because the parser did not survive it. */
static void a_point_that_cannot_be_read_is_passed_over_and_told(void **state)
{
    FIXTURE;

    (void)state;
    struct id good = made_session_run(repository, request, 0);
    struct slot_id newest = {repository->id, made_session_run(repository, request, 0),
                             request->guest};
    const struct parser parser = {&newest, die_at_the_newest};
    repository->parser = &parser;
    begin_again(&fixture);
    assert_known(fixture.session, 0, &good);
    assert_int_equal(session_notes(fixture.session).unreadable->count, 1);
    assert_non_null(strstr(session_notes(fixture.session).unreadable->items[0], "has ended"));
}

static void derived_points_and_partial_ones_are_no_base(void **state)
{
    FIXTURE;

    (void)state;
    made_session_run(repository, request, FLAG_PARTIAL);
    struct id complete = made_session_run(repository, request, 0);
    struct id earlier = made_session_run(repository, request, FLAG_PARTIAL);
    struct id partial = made_session_run(repository, request, FLAG_PARTIAL);
    made_session_run(repository, request, FLAG_DERIVED);
    begin_again(&fixture);
    assert_known(fixture.session, 0, &complete);
    assert_known(fixture.session, 1, &partial);
    assert_known(fixture.session, 2, &earlier); /* it has a pack of its own */
    assert_known(fixture.session, 3, NULL);
    assert_ptr_equal(session_base(fixture.session), session_known(fixture.session, 0));
    struct id copied = made_session_run(repository, request, FLAG_PARTIAL | FLAG_DERIVED);
    begin_again(&fixture);
    assert_known(fixture.session, 1, &copied);
}

static void a_partial_point_alone_is_known_but_no_base(void **state)
{
    FIXTURE;

    (void)state;
    struct id partial = made_session_run(repository, request, FLAG_PARTIAL);
    begin_again(&fixture);
    assert_null(session_base(fixture.session));
    assert_known(fixture.session, 0, &partial);
    assert_known(fixture.session, 1, NULL);
}

static void points_in_the_trash_are_not_known(void **state)
{
    const struct mark mark = {"remove", "test"};
    bool changed = false;
    FIXTURE;

    (void)state;
    struct id older = made_session_run(repository, request, 0);
    const struct point_id newer = {request->guest, made_session_run(repository, request, 0)};
    assert_int_equal(marks_trash(&scope, &newer, &mark, &changed, NULL), 0);
    begin_again(&fixture);
    assert_known(fixture.session, 0, &older);
    assert_int_equal(marks_undelete(&scope, &newer, &changed, NULL), 0);
    begin_again(&fixture);
    assert_known(fixture.session, 0, &newer.session);
}

static void the_guest_that_it_is_like_is_known(void **state)
{
    struct id other = made_guest(8);
    FIXTURE;

    (void)state;
    struct session_request another = made_request(8);
    request->like = &other;
    begin_again(&fixture);
    assert_known(fixture.session, 0, NULL);
    made_session_run(repository, &another, 0);
    struct id like = made_session_run(repository, &another, FLAG_DERIVED);
    made_session_run(repository, &another, FLAG_PARTIAL);
    begin_again(&fixture);
    assert_null(session_base(fixture.session));
    assert_known(fixture.session, 0, &like);
    struct id own = made_session_run(repository, request, 0);
    begin_again(&fixture);
    assert_known(fixture.session, 0, &own);
    assert_known(fixture.session, 1, &like);
    other = request->guest;
    begin_again(&fixture);
    assert_known(fixture.session, 0, &own);
    assert_known(fixture.session, 1, NULL);
}

static void what_the_other_guest_has_in_the_trash_is_not_known(void **state)
{
    const struct mark mark = {"remove", "test"};
    const struct id other = made_guest(8);
    bool changed = false;
    FIXTURE;

    (void)state;
    struct session_request another = made_request(8);
    struct id older = made_session_run(repository, &another, 0);
    const struct point_id newer = {another.guest, made_session_run(repository, &another, 0)};
    assert_int_equal(marks_trash(&scope, &newer, &mark, &changed, NULL), 0);
    request->like = &other;
    begin_again(&fixture);
    assert_known(fixture.session, 0, &older);
}

static void spoil_slot(const struct fixture *fixture, const struct id *session, size_t len)
{
    const struct point_id id = {fixture->request.guest, *session};
    const struct repository *repository = fixture->folder.repository;
    const struct stored_scope scope = {repository->store, repository->id, REPOSITORY_SCOPE};
    CLEANUP_FREE char *name = objects_name(&scope, NAME_SLOT, &id, 0);
    CLEANUP_FREE char *path = mem_printf("%s/%s", fixture->folder.path, name);

    assert_int_equal(truncate(path, (off_t)len), 0);
}

static void an_unreadable_point_is_passed_over_and_told(void **state)
{
    FIXTURE;

    (void)state;
    struct id good = made_session_run(repository, request, 0);
    struct id short_head = made_session_run(repository, request, 0);
    struct id short_end = made_session_run(repository, request, 0);
    spoil_slot(&fixture, &short_head, 50);
    spoil_slot(&fixture, &short_end, 800);
    begin_again(&fixture);
    assert_known(fixture.session, 0, &good);
    assert_known(fixture.session, 1, NULL);
    assert_int_equal(session_notes(fixture.session).unreadable->count, 2);
    char text[ID_TEXT_SIZE];
    assert_non_null(
        strstr(session_notes(fixture.session).unreadable->items[0], id_text(&short_end, text)));
}

static void another_host_is_told(void **state)
{
    FIXTURE;

    (void)state;
    made_session_run(repository, request, 0);
    request->host = "beta";
    begin_again(&fixture);
    assert_string_equal(session_notes(fixture.session).other_host, "alpha");
    made_session_run(repository, request, FLAG_PARTIAL);
    begin_again(&fixture);
    assert_null(session_notes(fixture.session).other_host);
    struct session_request another = made_request(8);
    made_session_run(repository, &another, 0); /* on "alpha" */
    request->like = &another.guest;
    begin_again(&fixture);
    assert_non_null(session_known(fixture.session, 2));
    assert_null(session_notes(fixture.session).other_host);
}

static void bad_packs_are_known(void **state)
{
    struct name parts = {.kind = NAME_BAD_PACK, .scope = REPOSITORY_SCOPE};
    enum store_outcome outcome = STORE_EXISTS;
    FIXTURE;

    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        parts.session = made_guest((uint8_t)(9 - i));
        parts.number = 20 - i;
        CLEANUP_FREE char *name = name_format(&parts);
        struct store_object object = {.name = name, .data = "{}", .len = 2};
        assert_int_equal(store_create(repository->store, &object, &outcome, NULL), 0);
    }
    begin_again(&fixture);
    for (uint8_t i = 6; i <= 9; i++)
        for (uint32_t number = 15; number <= 21; number++) {
            const struct id pack = made_guest(i);
            assert_int_equal(session_pack_is_bad(fixture.session, &pack, number),
                             i >= 7 && number == i + 11u);
        }
}

/* ---- time ------------------------------------------------------------------------------------ */

static void a_session_begins_above_all_points_of_its_guest(void **state)
{
    struct point_id future = {.guest = made_guest(7)};
    FIXTURE;

    (void)state;
    begin_again(&fixture);
    assert_int_equal(
        id_of_time(session_now_ms(fixture.session) + 2 * DAY_MS, &future.session, NULL), 0);
    memset(future.session.bytes + 6, 0xff, 10); /* the last of its millisecond */
    put_tombstone(&scope, &future, SLOT_GIVEN_UP);
    begin_again(&fixture);
    assert_int_equal(id_time_ms(session_id(fixture.session)), id_time_ms(&future.session) + 1);
    assert_true(session_notes(fixture.session).ahead_ms > DAY_MS);
    assert_true(session_now_ms(fixture.session) < id_time_ms(&future.session) - DAY_MS);
    /* Of another guest they are not. */
    *request = made_request(8);
    begin_again(&fixture);
    assert_true(id_time_ms(session_id(fixture.session)) < id_time_ms(&future.session));
}

static size_t count_tombstones(const struct stored_scope *scope, const struct id *guest)
{
    CLEANUP_LISTING struct listing listing = {0};
    size_t count = 0;

    assert_int_equal(listing_read(scope, guest, NULL, &listing, NULL), 0);
    for (size_t i = 0; i < listing.count; i++)
        count += kind_of(scope, guest, &listing.points[i].id.session) == SLOT_GIVEN_UP;
    return count;
}

/* What was announced under a name that is too low is given up, or it would be waited for. */
static void the_name_that_was_too_low_is_given_up(void **state)
{
    struct point_id future = {.guest = made_guest(7)};
    FIXTURE;

    (void)state;
    assert_int_equal(id_of_time(INT64_C(4102444800000), &future.session, NULL), 0);
    put_tombstone(&scope, &future, SLOT_FENCED);
    begin_again(&fixture);
    assert_int_equal(count_tombstones(&scope, &request->guest), 1);
}

static void no_session_can_be_above_the_last_id(void **state)
{
    struct point_id last = {.guest = made_guest(7)};
    CLEANUP_ERR struct err err = ERR_INIT;
    FIXTURE;

    (void)state;
    memset(last.session.bytes, 0xff, ID_SIZE);
    put_tombstone(&scope, &last, SLOT_GIVEN_UP);
    assert_int_equal(session_begin(repository, request, &fixture.session, &err), -1);
    assert_int_equal(count_tombstones(&scope, &request->guest), 2);
}

static void time_goes_on_while_the_host_sleeps(void **state)
{
    FIXTURE;

    (void)state;
    begin_again(&fixture);
    int64_t before = session_now_ms(fixture.session);
    assert_false(session_pack_is_due(fixture.session));
    slept_ms = 4 * HOUR_MS - 1000;
    assert_false(session_pack_is_due(fixture.session));
    slept_ms = 4 * HOUR_MS;
    assert_true(session_pack_is_due(fixture.session));
    assert_true(session_now_ms(fixture.session) >= before + 4 * HOUR_MS);
    made_session_put_pack(fixture.session);
    assert_false(session_pack_is_due(fixture.session));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_announced_and_its_point_can_be_read),
        cmocka_unit_test(packs_are_numbered_and_can_be_opened),
        cmocka_unit_test(a_session_that_ends_without_a_point_gives_up),
        cmocka_unit_test(another_session_of_the_same_id_is_left_alone),
        cmocka_unit_test(a_new_scope_is_made),
        cmocka_unit_test(the_base_is_the_newest_complete_point),
        cmocka_unit_test(points_are_given_to_the_parser),
        cmocka_unit_test(a_point_that_cannot_be_read_is_passed_over_and_told),
        cmocka_unit_test(derived_points_and_partial_ones_are_no_base),
        cmocka_unit_test(a_partial_point_alone_is_known_but_no_base),
        cmocka_unit_test(points_in_the_trash_are_not_known),
        cmocka_unit_test(the_guest_that_it_is_like_is_known),
        cmocka_unit_test(what_the_other_guest_has_in_the_trash_is_not_known),
        cmocka_unit_test(an_unreadable_point_is_passed_over_and_told),
        cmocka_unit_test(another_host_is_told),
        cmocka_unit_test(bad_packs_are_known),
        cmocka_unit_test(a_session_begins_above_all_points_of_its_guest),
        cmocka_unit_test(the_name_that_was_too_low_is_given_up),
        cmocka_unit_test(no_session_can_be_above_the_last_id),
        cmocka_unit_test(time_goes_on_while_the_host_sleeps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
