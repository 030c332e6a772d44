/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/ini.h"

static int note_line(void *opaque, const struct ini_line *line, struct err *err)
{
    buf_printf(opaque, "%u[%s]", line->number, line->section ? line->section : "-");
    if (line->key)
        buf_printf(opaque, "%s=%s", line->key, line->value);
    buf_append_str(opaque, "|");
    return line->key && strcmp(line->key, "refused") == 0 ? err_set(err, ERR_USAGE, "is refused")
                                                          : 0;
}

/* What was found, or the error. The caller frees. */
static char *found_in(const char *text, size_t len)
{
    CLEANUP_BUF struct buf found = {0};
    struct err err = ERR_INIT;
    /* Exactly as long as it is, for a sanitizer to see a step too far. */
    CLEANUP_FREE char *copy = malloc(len ? len : 1);

    memcpy(copy, text, len);
    if (ini_read(copy, len, note_line, &found, &err) < 0) {
        assert_int_equal(err.kind, ERR_USAGE);
        return err.text;
    }
    return buf_take_str(&found);
}

static void expect_found(const char *text, const char *expected)
{
    CLEANUP_FREE char *found = found_in(text, strlen(text));

    assert_string_equal(found, expected);
}

static void keys_are_found_with_line_and_section(void **state)
{
    (void)state;
    expect_found("", "");
    expect_found("a = b", "1[-]a=b|");
    expect_found("\xef\xbb\xbf"
                 "a = b\r\n\r\n  \t[ guest db* ]  \n\tc:d e\n",
                 "1[-]a=b|3[guest db*]|4[guest db*]c=d e|");
    expect_found("\xef\xbb\xbf[s]\nk=", "1[s]|2[s]k=|");
}

static void what_stands_in_a_value_belongs_to_it(void **state)
{
    (void)state;
    expect_found("a = 1 ; x # y = z", "1[-]a=1 ; x # y = z|");
    expect_found("a = \"b\"\n  c = d", "1[-]a=\"b\"|2[-]c=d|");
    expect_found("b = M\xc3\xa4rz\xc2\xa0", "1[-]b=M\xc3\xa4rz\xc2\xa0|");
}

static void comments_are_lines(void **state)
{
    (void)state;
    expect_found("# a = b\n   ; [c]\n\na = b\n", "4[-]a=b|");
}

static void a_section_is_not_cut(void **state)
{
    static const char text[] =
        "[guest web[0-9] of a name that is longer than fifty characters]\nk=v";

    (void)state;
    expect_found(text, "1[guest web[0-9] of a name that is longer than fifty characters]|"
                       "2[guest web[0-9] of a name that is longer than fifty characters]k=v|");
}

static void lines_of_64_kib_are_read(void **state)
{
    CLEANUP_FREE char *text = malloc(INI_LINE_MAX + 2);

    (void)state;
    memset(text, 'x', INI_LINE_MAX + 1);
    memcpy(text, "k=", 2);
    text[INI_LINE_MAX + 1] = '\0';
    CLEANUP_FREE char *too_long = found_in(text, INI_LINE_MAX + 1);
    assert_string_equal(too_long, "line 1: it is longer than 65535 bytes; shorten it");
    CLEANUP_FREE char *found = found_in(text, INI_LINE_MAX);
    assert_int_equal(strlen(found), strlen("1[-]k=|") + INI_LINE_MAX - 2);
}

static void broken_lines_are_named(void **state)
{
    (void)state;
    expect_found("a = b\nno key", "line 2: 'no key' is neither a key with its value, KEY = VALUE, "
                                  "nor a [section]");
    expect_found("\n= b\nc = d", "line 2: there is no key before the equals sign");
    expect_found("[guest", "line 1: '[guest' does not end with ']'");
    expect_found("[guest] x\n", "line 1: '[guest] x' does not end with ']'");
    expect_found("[", "line 1: '[' does not end with ']'");
    expect_found("a\x01 = b", "line 1: it contains the control character U+0001; remove it");
    expect_found("a = \xc2\x85", "line 1: it contains the control character U+0085; remove it");
    expect_found("x=\n# \xff", "line 2: its text is not UTF-8; save the file in that encoding");
    CLEANUP_FREE char *nul = found_in("a=b\nc\0=d\n", 9);
    assert_string_equal(nul, "line 2: it contains the control character U+0000; remove it");
    expect_found("a = b\nrefused = x\nno key", "line 2: is refused");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_found_with_line_and_section),
        cmocka_unit_test(what_stands_in_a_value_belongs_to_it),
        cmocka_unit_test(comments_are_lines),
        cmocka_unit_test(a_section_is_not_cut),
        cmocka_unit_test(lines_of_64_kib_are_read),
        cmocka_unit_test(broken_lines_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
