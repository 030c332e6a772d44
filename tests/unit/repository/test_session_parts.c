/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A session that goes on with what another one of the same backup has begun.
 */
#include "session_fixture.h"

#include "repository/keep/marks.h"

/* Commits a partial point in the fixture's session, and goes on with another. */
static int end_in_part(struct fixture *fixture, struct point_id *ret_part, struct err *err)
{
    made_session_put_pack(fixture->session);
    CLEANUP_BUF struct buf point = made_session_point(fixture->folder.repository, &fixture->request,
                                                      fixture->session, FLAG_PARTIAL);
    *ret_part = own_point(fixture);
    return session_commit(fixture->session, point.data, point.len, err) < 0
               ? -1
               : session_go_on(fixture->folder.repository, &fixture->session, err);
}

static void a_session_goes_on_with_what_the_former_knew(void **state)
{
    const struct mark mark = {"remove", "test"};
    struct id other = made_guest(8);
    struct session_request another = made_request(8);
    struct point_id part, next;
    bool changed = false;
    FIXTURE;

    (void)state;
    const struct point_id base = {request->guest, made_session_run(repository, request, 0)};
    struct id earlier = made_session_run(repository, request, FLAG_PARTIAL);
    struct id like = made_session_run(repository, &another, 0);
    request->like = &other;
    begin_again(&fixture);
    assert_int_equal(end_in_part(&fixture, &part, NULL), 0);
    assert_true(id_compare(session_id(fixture.session), &part.session) > 0);
    assert_known(fixture.session, 0, &base.session);
    assert_known(fixture.session, 1, &earlier);
    assert_known(fixture.session, 2, &like);
    assert_known(fixture.session, 3, NULL);
    assert_non_null(session_base(fixture.session));
    assert_false(session_known_is_gone(fixture.session, 0));

    /* What is in the trash since is still numbered, and of no more use. */
    assert_int_equal(marks_trash(&scope, &base, &mark, &changed, NULL), 0);
    assert_int_equal(end_in_part(&fixture, &next, NULL), 0);
    assert_known(fixture.session, 0, &base.session);
    assert_true(session_known_is_gone(fixture.session, 0));
    assert_null(session_base(fixture.session));
    assert_false(session_known_is_gone(fixture.session, 1));
    assert_false(session_known_is_gone(fixture.session, 2));
    /* Only the last part is relied on, whatever becomes of the base. */
    put_tombstone(&scope, &base, SLOT_REMOVED);
    put_tombstone(&scope, &part, SLOT_REMOVED);
    made_session_put_pack(fixture.session);
    CLEANUP_BUF struct buf point = made_session_point(repository, request, fixture.session, 0);
    assert_int_equal(session_commit(fixture.session, point.data, point.len, NULL), 0);
}

static void a_session_relies_on_the_part_before_it(void **state)
{
    const struct mark mark = {"remove", "test"};
    struct point_id part;
    bool changed = false;
    FIXTURE;

    (void)state;
    begin_again(&fixture);
    assert_int_equal(end_in_part(&fixture, &part, NULL), 0);
    put_tombstone(&scope, &part, SLOT_REMOVED);
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_BUF struct buf point = made_session_point(repository, request, fixture.session, 0);
    assert_int_equal(session_commit(fixture.session, point.data, point.len, &err), -1);
    assert_error(&err, ERR_TRANSIENT, "was removed in the meantime");

    /* It may be gone before the next session begins, too. */
    begin_again(&fixture);
    made_session_put_pack(fixture.session);
    CLEANUP_BUF struct buf partial =
        made_session_point(repository, request, fixture.session, FLAG_PARTIAL);
    part = own_point(&fixture);
    assert_int_equal(session_commit(fixture.session, partial.data, partial.len, NULL), 0);
    assert_int_equal(marks_trash(&scope, &part, &mark, &changed, NULL), 0);
    CLEANUP_ERR struct err gone = ERR_INIT;
    assert_int_equal(session_go_on(repository, &fixture.session, &gone), -1);
    assert_error(&gone, ERR_TRANSIENT, "which has what was done so far");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_goes_on_with_what_the_former_knew),
        cmocka_unit_test(a_session_relies_on_the_part_before_it),
    };

    return cmocka_run_group_tests_name("repository session parts", tests, NULL, NULL);
}
