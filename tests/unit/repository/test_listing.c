/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder_store.h"
#include "repository/format/slot.h"
#include "repository/listing.h"

static void put_listed(const struct stored_scope *scope, const char *name, size_t len)
{
    static const uint8_t zeros[256];
    const struct store_object object = {.name = name, .data = zeros, .len = len};
    enum store_outcome outcome = STORE_EXISTS;

    assert_int_equal(store_create(scope->store, &object, &outcome, NULL), 0);
    assert_int_equal(outcome, STORE_MADE);
}

static void put_slot(const struct stored_scope *scope, uint8_t guest, uint8_t session, size_t len)
{
    const struct point_id id = {{{guest}}, {{session}}};
    CLEANUP_FREE char *name = objects_name(scope, NAME_SLOT, &id, 0);

    put_listed(scope, name, len);
}

static void put_mark(const struct stored_scope *scope, uint8_t guest, uint8_t session,
                     uint32_t number, const char *verdict)
{
    const struct point_id id = {{{guest}}, {{session}}};
    CLEANUP_FREE char *marker = objects_name(scope, NAME_MARKER, &id, number);
    CLEANUP_FREE char *name = objects_name(scope, NAME_VERDICT, &id, number);

    put_listed(scope, marker, 20);
    if (verdict)
        put_listed(scope, name, strlen(verdict));
}

static void a_link_in_the_place_of_a_slot_is_one(void **state)
{
    const struct id guest = {{2}}, moved = {{3}};
    CLEANUP_FOLDER struct folder_repository folder;
    CLEANUP_LISTING struct listing listing = {0}, with_unknown = {0}, without = {0};
    CLEANUP_STRINGS struct strings unknown = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    char text[ID_TEXT_SIZE];
    size_t count = 0;

    (void)state;
    folder_begin(&folder);
    const struct stored_scope scope = {folder.repository->store, folder.repository->id,
                                       REPOSITORY_SCOPE};
    const struct point_id id = {guest, {{5}}};
    CLEANUP_FREE char *slot = objects_name(&scope, NAME_SLOT, &id, 0);
    CLEANUP_FREE char *slot_path = mem_printf("%s/%s", folder.path, slot);
    CLEANUP_FREE char *guest_path =
        mem_printf("%s/p/default/%s", folder.path, id_text(&moved, text));
    put_slot(&scope, 2, 1, 200);
    assert_int_equal(symlink("elsewhere", slot_path), 0);
    assert_int_equal(listing_read(&scope, NULL, NULL, &listing, NULL), 0);
    const struct listed_point *points = listing_of_guest(&listing, &guest, &count);
    assert_int_equal(count, 2);
    assert_int_equal(points[1].size, 0);
    assert_false(points[1].tombstone);
    /* What was moved away with all that is in it. */
    assert_int_equal(symlink("elsewhere", guest_path), 0);
    assert_int_equal(listing_read(&scope, NULL, NULL, &without, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
    assert_non_null(strstr(err.text, id_text(&moved, text)));
    assert_int_equal(listing_read(&scope, NULL, &unknown, &with_unknown, NULL), 0);
    assert_int_equal(unknown.count, 1);
    assert_int_equal(with_unknown.count, 2);
}

static void slots_are_listed_with_their_trash(void **state)
{
    CLEANUP_FOLDER struct folder_repository folder;
    CLEANUP_LISTING struct listing listing = {0}, of_one = {0};
    CLEANUP_STRINGS struct strings unknown = {0};
    const struct id guest = {{2}}, nobody = {{3}};
    size_t count = 0;

    (void)state;
    folder_begin(&folder);
    const struct stored_scope scope = {folder.repository->store, folder.repository->id,
                                       REPOSITORY_SCOPE};
    put_slot(&scope, 2, 9, 200);
    put_slot(&scope, 2, 1, 129);
    put_slot(&scope, 2, 5, SLOT_TOMBSTONE_SIZE);
    put_slot(&scope, 2, 7, 127); /* unreadable, but no tombstone */
    put_slot(&scope, 4, 1, 200);
    put_mark(&scope, 2, 1, 1, "kept");
    put_mark(&scope, 2, 9, 1, "kept");
    put_mark(&scope, 2, 9, 2, NULL);
    put_mark(&scope, 4, 1, 1, "taken");
    put_listed(&scope, "p/default/lost", 1);
    assert_int_equal(listing_read(&scope, NULL, &unknown, &listing, NULL), 0);
    assert_int_equal(unknown.count, 1);
    assert_int_equal(listing.count, 5);
    const struct listed_point *points = listing_of_guest(&listing, &guest, &count);
    assert_int_equal(count, 4);
    assert_ptr_equal(points, listing.points);
    for (size_t i = 0; i < 4; i++) {
        static const uint8_t sessions[] = {1, 5, 7, 9};
        static const uint64_t sizes[] = {129, SLOT_TOMBSTONE_SIZE, 127, 200};
        assert_int_equal(points[i].id.session.bytes[0], sessions[i]);
        assert_int_equal(points[i].size, sizes[i]);
        assert_int_equal(points[i].tombstone, i == 1);
        assert_int_equal(points[i].trashed, i == 3);
        assert_true(points[i].time_ms > 0);
    }
    assert_true(listing.points[4].trashed);
    (void)listing_of_guest(&listing, &nobody, &count);
    assert_int_equal(count, 0);
    assert_int_equal(listing_read(&scope, &guest, NULL, &of_one, NULL), 0);
    assert_int_equal(of_one.count, 4);
    assert_true(of_one.points[3].trashed);
}

static void a_scope_that_is_missing_is_not_empty(void **state)
{
    CLEANUP_FOLDER struct folder_repository folder;
    CLEANUP_LISTING struct listing listing = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    folder_begin(&folder);
    const struct stored_scope scope = {folder.repository->store, folder.repository->id, "other"};
    assert_int_equal(listing_read(&scope, NULL, NULL, &listing, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_in_the_place_of_a_slot_is_one),
        cmocka_unit_test(slots_are_listed_with_their_trash),
        cmocka_unit_test(a_scope_that_is_missing_is_not_empty),
    };

    return cmocka_run_group_tests_name("repository listing", tests, NULL, NULL);
}
