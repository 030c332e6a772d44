/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "memory_store.h"
#include "store_suite.h"

static struct memory *suite_memory;

static void add_test_folders(struct store *store)
{
    CLEANUP_STRINGS struct strings folders = {0};

    strings_add(&folders, "d");
    strings_add(&folders, "d/one");
    strings_add(&folders, "p");
    strings_add(&folders, "p/one");
    strings_add(&folders, "tmp");
    assert_int_equal(store_add_folders(store, &folders, NULL), 0);
}

static char *make_memory(void)
{
    CLEANUP(store_closep) struct store *store = NULL;

    suite_memory = memory_new();
    store = memory_open(suite_memory, NULL);
    add_test_folders(store);
    return mem_strdup("memory");
}

static int open_memory(const char *url, struct store **ret, struct err *err)
{
    (void)url;
    (void)err;
    *ret = memory_open(suite_memory, NULL);
    return 0;
}

static void remove_memory(char *url)
{
    memory_free(suite_memory);
    free(url);
}

static bool keeps_nothing(void *opaque)
{
    (void)opaque;
    return false;
}

static void assert_looks(const struct memory *memory, const char *name, const char *text)
{
    struct memory_bytes bytes = memory_look(memory, name);

    if (!text) {
        assert_null(bytes.data);
        return;
    }
    assert_non_null(bytes.data);
    assert_int_equal(bytes.len, strlen(text));
    assert_memory_equal(bytes.data, text, bytes.len);
}

static void a_power_cut_undoes_what_was_not_settled(void **state)
{
    CLEANUP(memory_free_of) struct memory *memory = memory_new();
    CLEANUP(store_closep) struct store *store = memory_open(memory, NULL);
    const struct memory_keeps keeps = {keeps_nothing, NULL};
    struct store_object pack = {.name = "d/one/pack", .data = "x", .len = 1, .settle_later = true};
    CLEANUP_STRINGS struct strings names = {0}, folders = {0};
    enum store_outcome outcome = STORE_EXISTS;

    (void)state;
    add_test_folders(store);
    store_suite_create(store, "p/one/a", "point");
    store_suite_create(store, "p/one/b", "point");
    assert_int_equal(store_create(store, &pack, &outcome, NULL), 0);
    strings_add(&names, "p/one/a");
    assert_int_equal(store_delete(store, &names, NULL), 0);
    memory_cut(memory, &keeps);
    assert_looks(memory, "p/one/a", "point");
    assert_looks(memory, "p/one/b", "point");
    assert_looks(memory, "d/one/pack", NULL);

    assert_int_equal(store_create(store, &pack, &outcome, NULL), 0);
    assert_int_equal(store_delete(store, &names, NULL), 0);
    strings_add(&folders, "p/one");
    strings_add(&folders, "d/one");
    assert_int_equal(store_settle(store, &folders, NULL), 0);
    memory_cut(memory, &keeps);
    assert_looks(memory, "p/one/a", NULL);
    assert_looks(memory, "d/one/pack", "x");
}

static int refuse_flush(void *opaque, enum memory_step step, const char *name, struct err *err)
{
    (void)opaque;
    return step == MEMORY_FLUSH ? err_set(err, ERR_IO, "%s: not flushed", name) : 0;
}

static void who_dies_before_the_flush_leaves_a_name_that_may_go(void **state)
{
    CLEANUP(memory_free_of) struct memory *memory = memory_new();
    const struct memory_hook hook = {refuse_flush, NULL};
    CLEANUP(store_closep) struct store *store = memory_open(memory, &hook);
    const struct memory_keeps keeps = {keeps_nothing, NULL};
    struct store_object object = {.name = "p/one/a", .data = "x", .len = 1};
    enum store_outcome outcome = STORE_EXISTS;

    (void)state;
    add_test_folders(store);
    assert_int_equal(store_create(store, &object, &outcome, NULL), -1);
    assert_looks(memory, "p/one/a", "x");
    memory_cut(memory, &keeps);
    assert_looks(memory, "p/one/a", NULL);
}

static void it_can_be_set_back(void **state)
{
    CLEANUP(memory_free_of) struct memory *memory = memory_new(), *snapshot = NULL;
    CLEANUP(store_closep) struct store *store = memory_open(memory, NULL);
    CLEANUP_STRINGS struct strings names = {0};

    (void)state;
    add_test_folders(store);
    store_suite_create(store, "p/one/a", "first");
    snapshot = memory_snapshot(memory);
    strings_add(&names, "p/one/a");
    assert_int_equal(store_delete(store, &names, NULL), 0);
    store_suite_create(store, "p/one/b", "second");
    memory_set_back(memory, snapshot);
    assert_looks(memory, "p/one/a", "first");
    assert_looks(memory, "p/one/b", NULL);
}

static void it_can_be_full_and_locked(void **state)
{
    CLEANUP(memory_free_of) struct memory *memory = memory_new();
    CLEANUP(store_closep) struct store *store = memory_open(memory, NULL);
    struct store_object object = {.name = "p/one/a", .data = "x", .len = 1};
    enum store_outcome outcome = STORE_EXISTS;
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    add_test_folders(store);
    memory_set_full(memory, true);
    assert_int_equal(store_create(store, &object, &outcome, &err), -1);
    assert_int_equal(err.kind, ERR_NO_SPACE);
    memory_set_full(memory, false);
    memory_set_locked(memory, true);
    assert_int_equal(store_create(store, &object, &outcome, NULL), 0);
    assert_int_equal(store_replace(store, &object, &err), -1);
    assert_int_equal(err.kind, ERR_DENIED);
}

int main(void)
{
    static const struct store_suite suite = {
        .name = "memory", .make = make_memory, .open = open_memory, .remove = remove_memory};
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_power_cut_undoes_what_was_not_settled),
        cmocka_unit_test(who_dies_before_the_flush_leaves_a_name_that_may_go),
        cmocka_unit_test(it_can_be_set_back),
        cmocka_unit_test(it_can_be_full_and_locked),
    };

    return store_suite_run(&suite, tests, sizeof(tests) / sizeof(tests[0]));
}
