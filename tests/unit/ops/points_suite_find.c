/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "points_suite_find.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ops/restore/hold.h"
#include "points_fixture.h"

void points_are_listed_and_found(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP_POINTS_LIST struct points_list list = {0};
    CLEANUP_FREE char *begins = NULL;

    fixture_write_point(fixture, "web", POINTS_KEEP, 1);
    CLEANUP(points_store_closep) struct points_store *store = fixture_open_store(fixture);
    CLEANUP(points_closep) struct point *point = fixture_open_point(fixture, store, "web");
    CHECK(points_list(store, "web", &list, &fixture->err), &fixture->err);
    assert_int_equal(list.count, 1);
    const struct points_entry *entry = &list.all[0];
    assert_string_equal(entry->id, points_id(point));
    assert_int_equal(entry->id_digits, POINTS_ID_DIGITS);
    assert_null(entry->problem);
    assert_string_equal(entry->host, "host.example");
    assert_int_equal(entry->state, STATE_SHUT_OFF);
    assert_int_equal(entry->consistency, CONSISTENCY_OFFLINE);
    assert_int_equal(entry->disk_count, 1);
    assert_int_equal(entry->size, IMAGE_SIZE);
    assert_true(entry->stored > 0);
    assert_true(entry->complete && !entry->memory && !entry->trashed && !entry->held);
    if (fixture->suite->is_repository) {
        assert_int_equal(entry->tags.count, 2);
        assert_string_equal(entry->tags.items[0], "by-hand");
    }
    begins = mem_strndup(entry->id, POINTS_ID_DIGITS);
    const char *const words[] = {entry->id, begins, "latest", "2099-12-31", "2099-12-31 23:59"};
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        CLEANUP_FREE char *found = NULL;
        CHECK(points_find(store, "web", words[i], &found, &fixture->err), &fixture->err);
        assert_string_equal(found, entry->id);
    }
}

void what_means_no_point_is_told(void **state)
{
    static const struct {
        const char *word;
        enum err_kind kind;
        const char *part;
    } cases[] = {
        {"00000000", ERR_NOT_FOUND, "guest 'web': has no point '00000000'"},
        {"1999-12-31", ERR_NOT_FOUND, "no point of '1999-12-31' or before"},
        {"0000000", ERR_USAGE, "means no point"}, /* too short */
        {"newest", ERR_USAGE, "means no point"},
        {"", ERR_USAGE, "means no point"},
    };
    struct fixture *fixture = *state;
    char *found = NULL;

    fixture_write_point(fixture, "web", POINTS_KEEP, 1);
    CLEANUP(points_store_closep) struct points_store *store = fixture_open_store(fixture);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        CHECK_FAILS(points_find(store, "web", cases[i].word, &found, &fixture->err), &fixture->err,
                    cases[i].kind, cases[i].part);
    CHECK_FAILS(points_find(store, "db", "latest", &found, &fixture->err), &fixture->err,
                ERR_NOT_FOUND, "");
}

/* How many of the guest's points are held, by whom and why: the newest of these. */
static size_t count_held(struct fixture *fixture, const char *guest, char **ret_why)
{
    CLEANUP(points_store_closep) struct points_store *store = fixture_open_store(fixture);
    CLEANUP_POINTS_LIST struct points_list list = {0};
    size_t count = 0;

    free(TAKE_PTR(*ret_why));
    CHECK(points_list(store, guest, &list, &fixture->err), &fixture->err);
    for (size_t i = 0; i < list.count; i++)
        if (list.all[i].held) {
            free(*ret_why);
            *ret_why = mem_strdup(list.all[i].held_why);
            count++;
        }
    return count;
}

static void note_failed_guest(void *opaque, const struct event *event)
{
    if (event->kind == EVENT_GUEST_FAILED)
        buf_printf(opaque, "%s;", event->guest);
    else if (event->kind == EVENT_WARNING && event->warning.kind == WARNING_HELD_BY_RESTORE)
        buf_printf(opaque, "%s is shared;", event->guest);
}

void a_point_is_held_while_it_is_restored(void **state)
{
    static char web[] = "web", db[] = "db", other[] = "other";
    struct fixture *fixture = *state;
    CLEANUP_FREE char *why = NULL;
    char *names[] = {web, db, other}, *ids[] = {NULL, NULL, NULL};
    bool chosen[] = {true, true, false}, made = false;
    struct selection points = {names, ids, 3, chosen};
    struct outcome outcome = {0};
    CLEANUP_BUF struct buf told = {0};
    const struct report report = {.opaque = &told, .event = note_failed_guest};
    struct restore_holds holds = {.points = &points, .report = &report, .outcome = &outcome};

    if (!fixture->suite->is_repository)
        return; /* its guests have one point each */
    fixture_write_point(fixture, web, POINTS_KEEP, 1);
    fixture_write_point(fixture, web, POINTS_KEEP, 2);
    fixture_write_point(fixture, db, POINTS_KEEP, 3);
    CLEANUP(points_store_closep) struct points_store *store = fixture_open_store(fixture);
    holds.store = store;
    CHECK(restore_holds_begin(&holds, &fixture->err), &fixture->err);
    assert_int_equal(count_held(fixture, web, &why), 1);
    assert_string_equal(why, "virt-backup restore");
    assert_int_equal(count_held(fixture, db, &why), 1);
    CLEANUP_FREE char *latest = ids[0];
    CLEANUP_FREE char *of_db = ids[1];
    assert_non_null(latest);
    assert_non_null(of_db);
    assert_null(ids[2]);
    restore_holds_end(&holds);
    assert_int_equal(count_held(fixture, web, &why), 0);
    assert_int_equal(count_held(fixture, db, &why), 0);

    /* What another restore holds is told. */
    CHECK(points_hold(store, web, latest, "alpha", &made, &fixture->err), &fixture->err);
    assert_true(made);
    CHECK(restore_holds_begin(&holds, &fixture->err), &fixture->err);
    restore_holds_end(&holds);
    assert_int_equal(count_held(fixture, web, &why), 1);
    assert_int_equal(count_held(fixture, db, &why), 0);
    CHECK(points_release(store, web, latest, &fixture->err), &fixture->err);
    assert_int_equal(count_held(fixture, web, &why), 0);

    /* One that cannot be held fails by itself. */
    chosen[2] = true;
    CHECK(restore_holds_begin(&holds, &fixture->err), &fixture->err);
    assert_int_equal(count_held(fixture, web, &why), 1);
    assert_false(chosen[2]);
    assert_int_equal(outcome.failed, 1);
    restore_holds_end(&holds);
    assert_int_equal(count_held(fixture, web, &why), 0);
    CLEANUP_FREE char *text = buf_take_str(&told);
    assert_string_equal(text, "web is shared;other;");
}
