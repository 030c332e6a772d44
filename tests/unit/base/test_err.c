/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <errno.h>

static void text_gains_context_outermost_first(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(err_set(&err, ERR_IO, "cannot read at byte %d", 17), -1);
    assert_int_equal(err_prefix(&err, "disk '%s'", "vda"), -1);
    assert_int_equal(err_prefix(&err, "guest '%s'", "web"), -1);
    assert_int_equal(err_append(&err, "try %s", "again"), -1);
    assert_string_equal(err.text, "guest 'web': disk 'vda': cannot read at byte 17; try again");
    assert_int_equal(err.kind, ERR_IO);
}

static void errno_gives_kind_and_text(void **state)
{
    static const struct {
        int errnum;
        enum err_kind kind;
    } rows[] = {
        {ENOENT, ERR_NOT_FOUND}, {ENOTDIR, ERR_NOT_FOUND},
        {EEXIST, ERR_EXISTS},    {EBUSY, ERR_BUSY},
        {ETXTBSY, ERR_BUSY},     {ENOSPC, ERR_NO_SPACE},
        {EDQUOT, ERR_NO_SPACE},  {EACCES, ERR_DENIED},
        {EPERM, ERR_DENIED},     {EROFS, ERR_DENIED},
        {EIO, ERR_IO},           {EINVAL, ERR_IO},
    };
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        assert_int_equal(err_set_errno(&err, rows[i].errnum, "x%d", 1), -1);
        assert_int_equal(err.kind, rows[i].kind);
        assert_int_equal(err.errnum, rows[i].errnum);
        assert_memory_equal(err.text, "x1: ", 4);
        assert_string_equal(err.text + 4, strerror(rows[i].errnum));
    }
}

static void setting_again_forgets_the_first_error(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    err_set_errno(&err, ENOENT, "first");
    err_set(&err, ERR_CORRUPT, "second");
    assert_string_equal(err.text, "second");
    assert_int_equal(err.kind, ERR_CORRUPT);
    assert_int_equal(err.errnum, 0);
}

static void context_of_no_error_makes_none(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    err_prefix(&err, "guest");
    err_append(&err, "remedy");
    assert_null(err.text);
    assert_int_equal(err.kind, ERR_NONE);
}

static void a_remedy_stays_with_its_error(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_ERR struct err moved = ERR_INIT;

    (void)state;
    assert_int_equal(err_note_remedy(&err, ERR_REMEDY_REPLACE), -1);
    assert_int_equal(err.remedy, ERR_REMEDY_NONE);
    err_set(&err, ERR_EXISTS, "it is there; use --replace");
    err_note_remedy(&err, ERR_REMEDY_REPLACE);
    err_prefix(&err, "guest 'web'");
    err_append(&err, "more");
    err_move(&moved, &err);
    assert_int_equal(moved.remedy, ERR_REMEDY_REPLACE);
    assert_int_equal(err.remedy, ERR_REMEDY_NONE);
    err_set(&moved, ERR_EXISTS, "another is there");
    assert_int_equal(moved.remedy, ERR_REMEDY_NONE);
}

static void null_is_accepted_everywhere(void **state)
{
    struct err from = ERR_INIT;

    (void)state;
    assert_int_equal(err_set(NULL, ERR_IO, "x"), -1);
    assert_int_equal(err_set_errno(NULL, EIO, "x"), -1);
    assert_int_equal(err_prefix(NULL, "x"), -1);
    assert_int_equal(err_append(NULL, "x"), -1);
    assert_int_equal(err_note_remedy(NULL, ERR_REMEDY_REPLACE), -1);
    err_clear(NULL);
    err_set(&from, ERR_IO, "x");
    assert_int_equal(err_move(NULL, &from), -1);
    assert_null(from.text);
}

static void moving_leaves_the_source_empty(void **state)
{
    CLEANUP_ERR struct err to = ERR_INIT;
    CLEANUP_ERR struct err from = ERR_INIT;

    (void)state;
    err_set(&to, ERR_IO, "old");
    err_set(&from, ERR_BUSY, "new");
    assert_int_equal(err_move(&to, &from), -1);
    assert_string_equal(to.text, "new");
    assert_int_equal(to.kind, ERR_BUSY);
    assert_null(from.text);
    assert_int_equal(from.kind, ERR_NONE);
}

static void every_kind_has_a_word(void **state)
{
    (void)state;
    for (int kind = ERR_NONE; kind <= ERR_INTERNAL; kind++) {
        assert_non_null(err_kind_name(kind));
        for (int other = ERR_NONE; other < kind; other++)
            assert_string_not_equal(err_kind_name(kind), err_kind_name(other));
    }
    assert_string_equal(err_kind_name(ERR_NOT_FOUND), "not-found");
    assert_string_equal(err_kind_name(ERR_NO_SPACE), "no-space");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_gains_context_outermost_first),
        cmocka_unit_test(errno_gives_kind_and_text),
        cmocka_unit_test(setting_again_forgets_the_first_error),
        cmocka_unit_test(context_of_no_error_makes_none),
        cmocka_unit_test(a_remedy_stays_with_its_error),
        cmocka_unit_test(null_is_accepted_everywhere),
        cmocka_unit_test(moving_leaves_the_source_empty),
        cmocka_unit_test(every_kind_has_a_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
