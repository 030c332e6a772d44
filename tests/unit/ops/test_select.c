/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/select.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char *const there[] = {"-dash", "a,b", "db", "web"};
#define THERE (sizeof(there) / sizeof(*there))

static int choose(const struct name_list *wanted, const struct name_list *excluded,
                  bool chosen[THERE], struct err *err)
{
    return select_names(there, THERE, wanted, excluded, "the hypervisor", chosen, err);
}

static void without_names_all_are_chosen(void **state)
{
    const struct name_list none = {0};
    bool chosen[THERE] = {0};

    (void)state;
    assert_int_equal(choose(&none, &none, chosen, NULL), 0);
    for (size_t i = 0; i < THERE; i++)
        assert_true(chosen[i]);
}

static void only_named_ones_are_chosen(void **state)
{
    const char *const names[] = {"web", "a,b"};
    bool chosen[THERE] = {0};

    (void)state;
    assert_int_equal(choose(&(struct name_list){names, 2}, &(struct name_list){0}, chosen, NULL),
                     0);
    assert_false(chosen[0]);
    assert_true(chosen[1]);
    assert_false(chosen[2]);
    assert_true(chosen[3]);
}

static void excluded_ones_are_taken_out(void **state)
{
    const char *const names[] = {"web", "db"};
    const char *const out[] = {"db"};
    bool chosen[THERE] = {0};

    (void)state;
    assert_int_equal(
        choose(&(struct name_list){names, 2}, &(struct name_list){out, 1}, chosen, NULL), 0);
    assert_false(chosen[2]);
    assert_true(chosen[3]);
}

static void an_unknown_name_is_refused_by_name(void **state)
{
    const char *const names[] = {"web", "wbe"};
    bool chosen[THERE] = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(choose(&(struct name_list){names, 2}, &(struct name_list){0}, chosen, &err),
                     -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "'wbe'"));
}

static void an_unknown_excluded_name_is_refused(void **state)
{
    const char *const out[] = {"nobody"};
    bool chosen[THERE] = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(choose(&(struct name_list){0}, &(struct name_list){out, 1}, chosen, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void a_choice_of_none_is_refused(void **state)
{
    const char *const names[] = {"web"};
    bool chosen[THERE] = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(
        choose(&(struct name_list){names, 1}, &(struct name_list){names, 1}, chosen, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_names_all_are_chosen),
        cmocka_unit_test(only_named_ones_are_chosen),
        cmocka_unit_test(excluded_ones_are_taken_out),
        cmocka_unit_test(an_unknown_name_is_refused_by_name),
        cmocka_unit_test(an_unknown_excluded_name_is_refused),
        cmocka_unit_test(a_choice_of_none_is_refused),
    };

    return cmocka_run_group_tests_name("ops select", tests, NULL, NULL);
}
