/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/ask.h"

/* A descriptor from which this is read; more: it does not end there. */
static int typed(const char *text, size_t len, int *ret_more)
{
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], text, len), len);
    if (ret_more)
        *ret_more = fds[1];
    else
        close(fds[1]);
    return fds[0];
}

static void only_yes_is_yes(void **state)
{
    static const struct {
        const char *answer;
        bool yes;
    } rows[] = {
        {"y\n", true},      {"Y\n", true},   {"yes\n", true},   {"YES\n", true},
        {"  yes \n", true}, {"y\r\n", true}, {"\n", false},     {"n\n", false},
        {"no\n", false},    {"ye\n", false}, {"yes!\n", false}, {"y y\n", false},
        {"", false},        {"y", false},    {"yes", false},    {"\x04y\n", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        CLEANUP_CLOSE int fd = typed(rows[i].answer, strlen(rows[i].answer), NULL);
        if (ask_yes_from(fd, "Go on?") != rows[i].yes)
            fail_msg("row %zu: '%s'", i, rows[i].answer);
    }
}

static void a_zero_byte_is_no_answer(void **state)
{
    CLEANUP_CLOSE int fd = typed("y\0\n", 3, NULL);

    (void)state;
    assert_false(ask_yes_from(fd, "Go on?"));
}

/* What comes after a line is left for the next question, and nothing is waited for. */
static void a_line_is_an_answer(void **state)
{
    CLEANUP_CLOSE int more = -1;
    CLEANUP_CLOSE int fd = typed("  /srv/with blank \nweb\n\n", 24, &more);
    CLEANUP_FREE char *first = ask_line_from(fd, "Where?");
    CLEANUP_FREE char *second = ask_line_from(fd, "Which?");
    CLEANUP_FREE char *third = ask_line_from(fd, "What?");

    (void)state;
    assert_string_equal(first, "/srv/with blank");
    assert_string_equal(second, "web");
    assert_string_equal(third, "");
}

static void no_line_is_no_answer(void **state)
{
    CLEANUP_CLOSE int nothing = typed("", 0, NULL);
    CLEANUP_CLOSE int cut = typed("web", 3, NULL);

    (void)state;
    assert_null(ask_line_from(nothing, "Which?"));
    assert_null(ask_line_from(cut, "Which?"));
}

static void an_answer_has_a_limit(void **state)
{
    char longest[4096 + 2];

    (void)state;
    memset(longest, 'a', sizeof(longest));
    longest[4096] = '\n';
    CLEANUP_CLOSE int fits = typed(longest, 4097, NULL);
    CLEANUP_FREE char *answer = ask_line_from(fits, "Which?");
    assert_int_equal(strlen(answer), 4096);
    longest[4096] = 'a';
    longest[4097] = '\n';
    CLEANUP_CLOSE int more = typed(longest, 4098, NULL);
    assert_null(ask_line_from(more, "Which?"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_yes_is_yes),       cmocka_unit_test(a_zero_byte_is_no_answer),
        cmocka_unit_test(a_line_is_an_answer),   cmocka_unit_test(no_line_is_no_answer),
        cmocka_unit_test(an_answer_has_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
