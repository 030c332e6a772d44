/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A repository in a store of which one step fails, each in turn: what was to be done has failed then,
 * and can be done again.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../store/memory_store.h"
#include "repository/repository.h"

static int fail_at_step(void *opaque, enum memory_step step, const char *name, struct err *err)
{
    unsigned *left = opaque;

    (void)step;
    (void)name;
    if (*left == UINT_MAX) /* it has failed */
        return 0;
    if (*left > 0) {
        (*left)--;
        return 0;
    }
    *left = UINT_MAX;
    return err_set(err, ERR_TRANSIENT, "the store fails");
}

static struct repository *create_again(struct memory *memory)
{
    struct repository *repository = NULL;
    CLEANUP_ERR struct err err = ERR_INIT;

    if (repository_create_in(memory_open(memory, NULL), REPOSITORY_SCOPE, &repository, &err) < 0)
        fail_msg("%s", err.text);
    return repository;
}

static void a_repository_is_made_whole_or_not_at_all(void **state)
{
    unsigned steps = 0;

    (void)state;
    for (;; steps++) {
        CLEANUP(memory_free_of) struct memory *memory = memory_new();
        CLEANUP(repository_closep) struct repository *repository = NULL;
        CLEANUP_ERR struct err err = ERR_INIT;
        unsigned left = steps;
        const struct memory_hook hook = {fail_at_step, &left};
        struct store *store = memory_open(memory, &hook);
        if (repository_create_in(store, REPOSITORY_SCOPE, &repository, &err) == 0) {
            assert_int_not_equal(left, UINT_MAX);
            break;
        }
        assert_int_equal(err.kind, ERR_TRANSIENT);
        assert_null(repository);
        if (!memory_look(memory, "config").data)
            repository_close(create_again(memory));
    }
    assert_in_range(steps, 5, 200);
}

/* What asks a repository for something. */
static int add_scope(const struct repository *repository, struct err *err)
{
    return repository_add_scope(repository, "lab", err);
}

static int need_scope(const struct repository *repository, struct err *err)
{
    return repository_need_scope(repository, "nowhere", err);
}

static int list_scopes(const struct repository *repository, struct err *err)
{
    CLEANUP_STRINGS struct strings scopes = {0};

    return repository_list_scopes(repository, &scopes, err);
}

static void a_failure_is_no_answer(void **state)
{
    static int (*const calls[])(const struct repository *, struct err *) = {add_scope, need_scope,
                                                                            list_scopes};

    (void)state;
    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
        CLEANUP(memory_free_of) struct memory *memory = memory_new();
        CLEANUP(repository_closep) struct repository *repository = create_again(memory);
        struct store *store = repository->store;
        unsigned left = 0;
        for (unsigned steps = 0;; steps++) {
            CLEANUP_ERR struct err err = ERR_INIT;
            const struct memory_hook hook = {fail_at_step, &left};
            left = steps;
            repository->store = memory_open(memory, &hook);
            int status = calls[i](repository, &err);
            store_close(repository->store);
            repository->store = store;
            if (left != UINT_MAX) {
                assert_true(steps > 0);
                assert_int_equal(err.kind, calls[i] == need_scope ? ERR_NOT_FOUND : ERR_NONE);
                break;
            }
            assert_int_equal(status, -1);
            assert_int_equal(err.kind, ERR_TRANSIENT);
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repository_is_made_whole_or_not_at_all),
        cmocka_unit_test(a_failure_is_no_answer),
    };

    return cmocka_run_group_tests_name("repository faults", tests, NULL, NULL);
}
