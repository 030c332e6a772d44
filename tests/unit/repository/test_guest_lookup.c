/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "folder_store.h"
#include "made_session.h"
#include "repository/guest_lookup.h"
#include "repository/keep/marks.h"

#define UUID_7 "07070707-0707-0707-0707-070707070707"
#define UUID_8 "08080808-0808-0808-0808-080808080808"
#define UUID_9 "09090909-0909-0909-0909-090909090909"

struct fixture {
    struct folder_repository folder;
    struct stored_scope scope;
};

static void fixture_end(struct fixture *fixture)
{
    folder_end(&fixture->folder);
}

static void fixture_begin(struct fixture *fixture)
{
    folder_begin(&fixture->folder);
    fixture->scope = (struct stored_scope){fixture->folder.repository->store,
                                           fixture->folder.repository->id, REPOSITORY_SCOPE};
}
#define FIXTURE                                                                                    \
    CLEANUP(fixture_end) struct fixture fixture = {0};                                             \
    fixture_begin(&fixture)

/* A point of the guest under this name. */
static struct point_id put_named(const struct fixture *fixture, uint8_t guest, const char *name,
                                 uint32_t flags)
{
    const struct session_request request = made_request(guest);

    return (struct point_id){
        request.guest, made_session_run_named(fixture->folder.repository, &request, flags, name)};
}

static void assert_found(const struct fixture *fixture, const char *text, uint8_t expected)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct id guest = made_guest(expected), found = {0};

    if (guest_lookup(&fixture->scope, text, &found, &err) < 0)
        fail_msg("%s", err.text);
    assert_memory_equal(&found, &guest, ID_SIZE);
}

static void assert_refused(const struct fixture *fixture, const char *text, enum err_kind kind,
                           const char *message)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct id found = {0};

    assert_int_equal(guest_lookup(&fixture->scope, text, &found, &err), -1);
    assert_int_equal(err.kind, kind);
    if (!strstr(err.text, message))
        fail_msg("the error is: %s", err.text);
}

static void guests_are_found_by_uuid_and_by_name(void **state)
{
    FIXTURE;

    (void)state;
    assert_refused(&fixture, "web", ERR_NOT_FOUND, "'web'");
    put_named(&fixture, 7, "web", 0);
    put_named(&fixture, 8, "mail", FLAG_PARTIAL);
    assert_found(&fixture, UUID_7, 7);
    assert_found(&fixture, "web", 7);
    assert_found(&fixture, UUID_8, 8);
    assert_found(&fixture, "mail", 8);
    assert_refused(&fixture, "Web", ERR_NOT_FOUND, "'Web'");
    assert_refused(&fixture, "09090909-0909-0909-0909-090909090909", ERR_NOT_FOUND, "'0909");
    assert_refused(&fixture, UUID_7 "0", ERR_NOT_FOUND, "");
    assert_refused(&fixture, "070707070707-0707-0707-0707-07070707", ERR_NOT_FOUND, "");
}

static void the_newest_name_counts(void **state)
{
    FIXTURE;

    (void)state;
    put_named(&fixture, 7, "old", 0);
    put_named(&fixture, 7, "new", 0);
    put_named(&fixture, 8, "old", 0);
    assert_found(&fixture, "new", 7);
    assert_found(&fixture, "old", 8);
}

static void a_name_of_several_guests_is_refused(void **state)
{
    FIXTURE;

    (void)state;
    put_named(&fixture, 7, "web", 0);
    put_named(&fixture, 8, "web", 0);
    assert_refused(&fixture, "web", ERR_USAGE, UUID_7 ", " UUID_8);
    assert_found(&fixture, UUID_8, 8);
}

static void what_is_in_the_trash_or_no_point_does_not_count(void **state)
{
    const struct mark mark = {"remove", "test"};
    bool changed = false;
    FIXTURE;

    (void)state;
    put_named(&fixture, 7, "old", 0);
    const struct point_id newest = put_named(&fixture, 7, "new", 0);
    const struct session_request request = made_request(7);
    session_end(made_session_begin(fixture.folder.repository, &request)); /* a tombstone */
    assert_found(&fixture, "new", 7);
    assert_int_equal(marks_trash(&fixture.scope, &newest, &mark, &changed, NULL), 0);
    assert_found(&fixture, "old", 7);
    assert_refused(&fixture, "new", ERR_NOT_FOUND, "'new'");
    const struct point_id only = put_named(&fixture, 8, "mail", 0);
    assert_int_equal(marks_trash(&fixture.scope, &only, &mark, &changed, NULL), 0);
    assert_refused(&fixture, UUID_8, ERR_NOT_FOUND, UUID_8);
    const struct session_request none = made_request(9);
    session_end(made_session_begin(fixture.folder.repository, &none));
    assert_refused(&fixture, UUID_9, ERR_NOT_FOUND, UUID_9);
}

static void an_unreadable_point_is_passed_over(void **state)
{
    FIXTURE;

    (void)state;
    put_named(&fixture, 7, "old", 0);
    const struct point_id newest = put_named(&fixture, 7, "new", 0);
    CLEANUP_FREE char *name = objects_name(&fixture.scope, NAME_SLOT, &newest, 0);
    struct store_object object = {.name = name, .data = "?", .len = 1};
    assert_int_equal(store_replace(fixture.scope.store, &object, NULL), 0);
    assert_found(&fixture, "old", 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guests_are_found_by_uuid_and_by_name),
        cmocka_unit_test(the_newest_name_counts),
        cmocka_unit_test(a_name_of_several_guests_is_refused),
        cmocka_unit_test(what_is_in_the_trash_or_no_point_does_not_count),
        cmocka_unit_test(an_unreadable_point_is_passed_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
