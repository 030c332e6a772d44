/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store_suite.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define RACERS 8
#define ROUNDS 40
#define LARGE ((size_t)5 << 20)

static const struct store_suite *suite;

struct fixture {
    char *url;
    struct store *store;
    struct store *far; /* the same, as another host has it */
};

static void fixture_end(struct fixture *fixture)
{
    store_close(fixture->store);
    store_close(fixture->far);
    suite->remove(fixture->url);
}

static void fixture_begin(struct fixture *fixture)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    fixture->url = suite->make();
    CLEANUP_FREE char *far =
        suite->elsewhere ? suite->elsewhere(fixture->url) : mem_strdup(fixture->url);
    int (*open)(const char *, struct store **, struct err *) =
        suite->open ? suite->open : store_open;
    if (open(fixture->url, &fixture->store, &err) < 0 || open(far, &fixture->far, &err) < 0)
        fail_msg("%s", err.text);
}
#define FIXTURE                                                                                    \
    CLEANUP(fixture_end) struct fixture fixture = {0};                                             \
    fixture_begin(&fixture);                                                                       \
    struct store *const store = fixture.store

enum store_outcome store_suite_create(struct store *store, const char *name, const char *text)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct store_object object = {.name = name, .data = text, .len = strlen(text)};
    enum store_outcome outcome = STORE_EXISTS;

    if (store_create(store, &object, &outcome, &err) < 0)
        fail_msg("%s", err.text);
    return outcome;
}

char *store_suite_text(struct store *store, const char *name)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_BUF struct buf buf = {0};

    if (store_read(store, name, 1 << 20, &buf, &err) < 0)
        fail_msg("%s", err.text);
    return buf_take_str(&buf);
}

static int add_name(void *opaque, const struct store_entry *entry, struct err *err)
{
    (void)err;
    buf_printf(opaque, " %s", entry->name);
    return 0;
}

char *store_suite_names(struct store *store, const char *prefix)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_BUF struct buf names = {0};
    struct store_each each = {.call = add_name, .opaque = &names};

    if (store_list(store, prefix, &each, &err) < 0)
        fail_msg("%s", err.text);
    return buf_take_str(&names);
}

static void assert_names(struct store *store, const char *prefix, const char *expected)
{
    CLEANUP_FREE char *names = store_suite_names(store, prefix);

    assert_string_equal(names, expected);
}

static void assert_text(struct store *store, const char *name, const char *expected)
{
    CLEANUP_FREE char *text = store_suite_text(store, name);

    assert_string_equal(text, expected);
}

static void assert_missing(struct store *store, const char *name)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_BUF struct buf buf = {0};

    assert_int_equal(store_read(store, name, 100, &buf, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, name));
}

static void a_name_is_created_once(void **state)
{
    FIXTURE;

    (void)state;
    assert_int_equal(store_suite_create(store, "p/one/guest/a", "first"), STORE_MADE);
    assert_int_equal(store_suite_create(store, "p/one/guest/a", "second"), STORE_EXISTS);
    assert_int_equal(store_suite_create(store, "p/one/guest/a", "first"), STORE_EXISTS);
    assert_text(store, "p/one/guest/a", "first");
    assert_int_equal(store_suite_create(store, "config", ""), STORE_MADE);
    assert_int_equal(store_suite_create(store, "config", "more"), STORE_EXISTS);
    assert_text(store, "config", "");
    assert_names(store, "tmp/", "");
}

struct racer {
    struct store *store;
    pthread_barrier_t *start;
    int number;
    bool made[ROUNDS];
    bool failed;
};

static void *racer_run(void *opaque)
{
    struct racer *racer = opaque;

    for (int round = 0; round < ROUNDS; round++) {
        CLEANUP_FREE char *name = mem_printf("p/one/guest-%d/slot", round);
        CLEANUP_FREE char *text = mem_printf("%d", racer->number);
        struct store_object object = {.name = name, .data = text, .len = strlen(text)};
        enum store_outcome outcome = STORE_EXISTS;
        pthread_barrier_wait(racer->start);
        if (store_create(racer->store, &object, &outcome, NULL) < 0)
            racer->failed = true;
        else
            racer->made[round] = outcome == STORE_MADE;
    }
    return NULL;
}

/* Every name is in a folder that is missing, so they also race to make that. */
static void of_many_that_create_a_name_one_is_told_so(void **state)
{
    struct racer racers[RACERS];
    pthread_t threads[RACERS];
    pthread_barrier_t start;
    FIXTURE;

    (void)state;
    pthread_barrier_init(&start, NULL, RACERS);
    for (int i = 0; i < RACERS; i++) {
        racers[i] =
            (struct racer){.store = i % 2 ? fixture.far : store, .start = &start, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, racer_run, &racers[i]), 0);
    }
    for (int i = 0; i < RACERS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&start);
    for (int i = 0; i < RACERS; i++)
        assert_false(racers[i].failed);
    for (int round = 0; round < ROUNDS; round++) {
        CLEANUP_FREE char *name = mem_printf("p/one/guest-%d/slot", round);
        CLEANUP_FREE char *winner = store_suite_text(store, name);
        for (int i = 0; i < RACERS; i++)
            assert_int_equal(racers[i].made[round], winner[0] == '0' + i);
    }
    assert_names(store, "tmp/", "");
}

/* Asked before and after each change, so that an answer which is kept too long shows. */
static void what_one_host_has_done_another_sees_at_once(void **state)
{
    FIXTURE;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct store *one = round % 2 ? fixture.far : store;
        struct store *other = round % 2 ? store : fixture.far;
        CLEANUP_FREE char *name = mem_printf("p/one/guest-%d/slot", round / 4);
        CLEANUP_FREE char *prefix = mem_printf("p/one/guest-%d/", round / 4);
        CLEANUP_FREE char *listed = mem_printf(" %s", name);
        struct store_object tombstone = {.name = name, .data = "tombstone", .len = 9};
        CLEANUP_STRINGS struct strings names = {0};

        assert_missing(other, name);
        assert_names(other, prefix, "");
        assert_int_equal(store_suite_create(one, name, "point"), STORE_MADE);
        assert_names(other, prefix, listed);
        assert_text(other, name, "point");
        assert_int_equal(store_suite_create(other, name, "other"), STORE_EXISTS);
        assert_int_equal(store_replace(one, &tombstone, NULL), 0);
        assert_text(other, name, "tombstone");
        assert_names(other, prefix, listed);
        strings_add(&names, name);
        assert_int_equal(store_delete(one, &names, NULL), 0);
        assert_missing(other, name);
        assert_names(other, prefix, "");
    }
}

static void what_is_larger_than_allowed_is_refused(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_BUF struct buf buf = {0};
    FIXTURE;

    (void)state;
    store_suite_create(store, "d/one/pack", "0123456789");
    assert_int_equal(store_read(store, "d/one/pack", 9, &buf, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
    assert_int_equal(store_read(store, "d/one/pack", 10, &buf, NULL), 0);
    assert_int_equal(buf.len, 10);
}

static void ranges_end_where_the_object_does(void **state)
{
    char data[10];
    struct store_range range = {.name = "d/one/pack", .offset = 3, .data = data, .cap = 4};
    size_t len = 0;
    FIXTURE;

    (void)state;
    store_suite_create(store, "d/one/pack", "0123456789");
    assert_int_equal(store_get(store, &range, &len, NULL), 0);
    assert_int_equal(len, 4);
    assert_memory_equal(data, "3456", 4);
    range.offset = 8;
    range.cap = 10;
    assert_int_equal(store_get(store, &range, &len, NULL), 0);
    assert_int_equal(len, 2);
    assert_memory_equal(data, "89", 2);
    range.offset = 10;
    assert_int_equal(store_get(store, &range, &len, NULL), 0);
    assert_int_equal(len, 0);
}

/* A store need not have anything at hand. */
static void what_is_at_hand_is_what_is_there(void **state)
{
    char data[10];
    struct store_range range = {.name = "d/one/pack", .offset = 3, .data = data, .cap = 4};
    FIXTURE;

    (void)state;
    store_suite_create(store, "d/one/pack", "0123456789");
    if (store_get_at_hand(store, &range))
        assert_memory_equal(data, "3456", 4);
    range.offset = 8;
    assert_false(store_get_at_hand(store, &range));
    range.name = "d/one/none";
    assert_false(store_get_at_hand(store, &range));
    range.name = "../d/one/pack";
    assert_false(store_get_at_hand(store, &range));
}

static void large_objects_come_back(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_FREE uint8_t *data = aligned_alloc(4096, LARGE);
    struct store_object object = {.name = "d/one/0f/pack", .len = LARGE - 77, .settle_later = true};
    enum store_outcome outcome = STORE_EXISTS;
    CLEANUP_STRINGS struct strings folders = {0};
    CLEANUP_BUF struct buf buf = {0};
    FIXTURE;

    (void)state;
    for (size_t i = 0; i < LARGE; i++)
        data[i] = (uint8_t)(i * 7 + i / 4096);
    for (size_t shift = 0; shift < 2; shift++) { /* aligned and not */
        CLEANUP_FREE char *name = mem_printf("d/one/0f/pack-%zu", shift);
        object.name = name;
        object.data = data + shift * 13;
        if (store_create(store, &object, &outcome, &err) < 0)
            fail_msg("%s", err.text);
        assert_int_equal(outcome, STORE_MADE);
        assert_int_equal(store_read(store, name, LARGE, &buf, NULL), 0);
        assert_int_equal(buf.len, LARGE - 77);
        assert_memory_equal(buf.data, object.data, LARGE - 77);
        buf_clear(&buf);
    }
    strings_add(&folders, "d/one/0f");
    strings_add(&folders, "d/one/ff"); /* never made */
    assert_int_equal(store_settle(store, &folders, NULL), 0);
}

static void listings_are_sorted_whole_names(void **state)
{
    static const char *const names[] = {"p/one/b/2", "p/one/b/1", "p/one/a/3", "p/one/b-c",
                                        "p/one/b.c", "p/one/b0",  "d/one/x"};
    FIXTURE;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        store_suite_create(store, names[i], "x");
    assert_names(store, "p/", " p/one/a/3 p/one/b-c p/one/b.c p/one/b/1 p/one/b/2 p/one/b0");
    assert_names(store, "p/one/b/", " p/one/b/1 p/one/b/2");
    assert_names(store, "p/one/none/", "");
    assert_names(store, "p/one/none/deeper/", "");
}

static int check_entry(void *opaque, const struct store_entry *entry, struct err *err)
{
    int64_t *now = opaque;

    (void)err;
    assert_string_equal(entry->name, "p/one/guest/a");
    assert_int_equal(entry->size, 5);
    assert_in_range(entry->time_ms, *now, *now + 100000);
    return 0;
}

static void sizes_and_times_are_listed(void **state)
{
    int64_t now = 0, later = 0;
    struct store_each each = {.call = check_entry, .opaque = &now};
    FIXTURE;

    (void)state;
    assert_int_equal(store_now(store, &now, NULL), 0);
    assert_true(now > 0);
    store_suite_create(store, "p/one/guest/a", "12345");
    assert_int_equal(store_list(store, "p/one/", &each, NULL), 0);
    assert_int_equal(store_now(store, &later, NULL), 0);
    assert_true(later >= now);
    assert_names(store, "tmp/", "");
}

static int refuse_entry(void *opaque, const struct store_entry *entry, struct err *err)
{
    ++*(int *)opaque;
    return err_set(err, ERR_CANCELLED, "enough: %s", entry->name);
}

static void an_error_of_the_caller_ends_a_listing(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    int calls = 0;
    struct store_each each = {.call = refuse_entry, .opaque = &calls};
    FIXTURE;

    (void)state;
    store_suite_create(store, "p/one/a", "x");
    store_suite_create(store, "p/one/b", "x");
    assert_int_equal(store_list(store, "p/", &each, &err), -1);
    assert_int_equal(calls, 1);
    assert_string_equal(err.text, "enough: p/one/a");
}

static void a_missing_upper_level_is_an_error_and_never_empty(void **state)
{
    static const char *const prefixes[] = {"t/", "t/one/", "t/one/guest/", "p/two/",
                                           "p/two/guest/"};
    struct store_object object = {.name = "p/two/guest/a", .data = "x", .len = 1};
    enum store_outcome outcome = STORE_EXISTS;
    CLEANUP_STRINGS struct strings folders = {0};
    FIXTURE;

    (void)state;
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        int calls = 0;
        struct store_each each = {.call = refuse_entry, .opaque = &calls};
        assert_int_equal(store_list(store, prefixes[i], &each, &err), -1);
        assert_int_equal(err.kind, ERR_NOT_FOUND);
    }
    assert_int_equal(store_create(store, &object, &outcome, NULL), -1);
    assert_int_equal(store_replace(store, &object, NULL), -1);
    strings_add(&folders, "t");
    strings_add(&folders, "t/one");
    strings_add(&folders, "p");
    strings_add(&folders, "p/two");
    assert_int_equal(store_add_folders(store, &folders, NULL), 0);
    assert_int_equal(store_add_folders(store, &folders, NULL), 0);
    assert_names(store, "t/", "");
    assert_int_equal(store_suite_create(store, "p/two/guest/a", "x"), STORE_MADE);
}

static void what_was_replaced_is_listed_and_read(void **state)
{
    struct store_object object = {.name = "p/one/guest/a", .data = "tombstone", .len = 9};
    FIXTURE;

    (void)state;
    store_suite_create(store, "p/one/guest/a", "point");
    assert_int_equal(store_replace(store, &object, NULL), 0);
    assert_text(store, "p/one/guest/a", "tombstone");
    object.name = "p/one/guest/new";
    assert_int_equal(store_replace(store, &object, NULL), 0);
    assert_names(store, "p/", " p/one/guest/a p/one/guest/new");
    assert_int_equal(store_suite_create(store, "p/one/guest/new", "point"), STORE_EXISTS);
    assert_names(store, "tmp/", "");
}

static void what_was_deleted_is_gone(void **state)
{
    CLEANUP_STRINGS struct strings names = {0};
    FIXTURE;

    (void)state;
    store_suite_create(store, "config", "x");
    store_suite_create(store, "p/one/guest/a", "x");
    store_suite_create(store, "p/one/guest/b", "x");
    strings_add(&names, "p/one/guest/a");
    strings_add(&names, "p/one/guest/none");
    strings_add(&names, "p/one/nobody/none");
    strings_add(&names, "config");
    assert_int_equal(store_delete(store, &names, NULL), 0);
    assert_names(store, "p/", " p/one/guest/b");
    assert_missing(store, "p/one/guest/a");
    assert_missing(store, "config");
    assert_missing(store, "p/one/nobody/none");
    assert_int_equal(store_suite_create(store, "p/one/guest/a", "again"), STORE_MADE);
}

static void names_that_cannot_be_are_refused(void **state)
{
    static const char *const names[] = {"",     "/p",    "p/",   "p//a", "../a", "p/../a",
                                        "p/.a", "p/a b", "p/\n", ".",    "p/.",  "p/\xc3\xa4"};
    enum store_outcome outcome = STORE_EXISTS;
    FIXTURE;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct store_object object = {.name = names[i], .data = "x", .len = 1};
        struct store_object in_session = {.name = "p/one/a", .session = names[i]};
        CLEANUP_STRINGS struct strings list = {0};
        char byte = 0;
        struct store_range range = {.name = names[i], .data = &byte, .cap = 1};
        size_t len = 0;
        strings_add(&list, names[i]);
        assert_int_equal(store_create(store, &object, &outcome, NULL), -1);
        assert_int_equal(store_create(store, &in_session, &outcome, NULL), -1);
        assert_int_equal(store_replace(store, &object, NULL), -1);
        assert_int_equal(store_get(store, &range, &len, NULL), -1);
        assert_int_equal(store_delete(store, &list, NULL), -1);
        assert_int_equal(store_settle(store, &list, NULL), -1);
        assert_int_equal(store_add_folders(store, &list, NULL), -1);
    }
}

static void the_probe_finds_a_store_good_and_leaves_nothing(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct store_abilities abilities = {0};
    FIXTURE;

    (void)state;
    if (store_probe(store, &abilities, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(abilities.creates_once);
    assert_null(store_lagging(store));
    assert_names(store, "tmp/", "");
}

int store_suite_run(const struct store_suite *the_suite, const struct CMUnitTest *more,
                    size_t count)
{
    const struct CMUnitTest common[] = {
        cmocka_unit_test(a_name_is_created_once),
        cmocka_unit_test(of_many_that_create_a_name_one_is_told_so),
        cmocka_unit_test(what_one_host_has_done_another_sees_at_once),
        cmocka_unit_test(what_is_larger_than_allowed_is_refused),
        cmocka_unit_test(ranges_end_where_the_object_does),
        cmocka_unit_test(what_is_at_hand_is_what_is_there),
        cmocka_unit_test(large_objects_come_back),
        cmocka_unit_test(listings_are_sorted_whole_names),
        cmocka_unit_test(sizes_and_times_are_listed),
        cmocka_unit_test(an_error_of_the_caller_ends_a_listing),
        cmocka_unit_test(a_missing_upper_level_is_an_error_and_never_empty),
        cmocka_unit_test(what_was_replaced_is_listed_and_read),
        cmocka_unit_test(what_was_deleted_is_gone),
        cmocka_unit_test(names_that_cannot_be_are_refused),
        cmocka_unit_test(the_probe_finds_a_store_good_and_leaves_nothing),
    };
    const size_t common_count = sizeof(common) / sizeof(common[0]);
    CLEANUP_FREE struct CMUnitTest *tests = mem_array(common_count + count, sizeof(*tests));

    suite = the_suite;
    memcpy(tests, common, sizeof(common));
    memcpy(tests + common_count, more, count * sizeof(*more));
    return _cmocka_run_group_tests(the_suite->name, tests, common_count + count, NULL, NULL);
}
