/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/dir.h"
#include "base/process.h"
#include "base/shell.h"
#include "base/strings.h"
#include "base/terminal.h"
#include "base/text.h"
#include "base/utf8.h"

static void beginnings_and_ends(void **state)
{
    (void)state;
    assert_string_equal(text_after("domain-7-web", "domain-"), "7-web");
    assert_string_equal(text_after("a", "a"), "");
    assert_null(text_after("a", "ab"));
    assert_true(text_begins("abc", ""));
    assert_true(text_ends("web.xml", ".xml"));
    assert_false(text_ends(".xml", ".xml")); /* a suffix alone names nothing */
    assert_false(text_ends("xml", ".xml"));
    assert_true(text_same(NULL, NULL));
    assert_true(text_same("a", "a"));
    assert_false(text_same(NULL, ""));
}

static void utf8_is_decoded_strictly(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        uint32_t code;
    } rows[] = {
        {"", 1, 0},
        {"a", 1, 'a'},
        {"\xc3\xbc", 2, 0xfc},
        {"\xe2\x80\xae", 3, 0x202e},
        {"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
        {"\x80", 0, 0},
        {"\xc0\x80", 0, 0},         /* overlong */
        {"\xe0\x9f\xbf", 0, 0},     /* overlong */
        {"\xf0\x8f\xbf\xbf", 0, 0}, /* overlong */
        {"\xed\xa0\x80", 0, 0},     /* a surrogate */
        {"\xf4\x90\x80\x80", 0, 0}, /* beyond the last */
        {"\xf8\x88\x80\x80\x80", 0, 0},
        {"\xc3", 0, 0},
        {"\xe2\x80", 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        uint32_t code = 0;
        assert_int_equal(utf8_decode(rows[i].text, &code), rows[i].len);
        assert_int_equal(code, rows[i].code);
    }
}

static void text_is_cut_between_characters(void **state)
{
    static const struct {
        const char *text;
        size_t max, len;
    } rows[] = {
        {"", 0, 0},
        {"abc", 3, 3},
        {"abc", 2, 2},
        {"a\xc3\xbc", 3, 3},
        {"a\xc3\xbc", 2, 1},
        {"\xe2\x80\xae", 2, 0},
        {"\xe2\x80\xae", 1, 0},
        {"\xc3\xbc"
         "b",
         2, 2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_int_equal(utf8_cut(rows[i].text, rows[i].max), rows[i].len);
}

static void a_list_of_strings(void **state)
{
    CLEANUP_STRINGS struct strings list = {0};

    (void)state;
    strings_sort(&list);
    strings_add(&list, "c");
    strings_take(&list, mem_strdup("a"));
    strings_add(&list, "b");
    strings_sort(&list);
    assert_int_equal(list.count, 3);
    assert_string_equal(list.items[0], "a");
    assert_true(strings_has(&list, "b"));
    assert_string_equal(list.items[2], "c");
    assert_false(strings_has(&list, "d"));
}

/* ---- lines for a shell ------------------------------------------------------- */

static void words_are_quoted_for_a_shell(void **state)
{
    static const struct {
        const char *text;
        const char *quoted;
    } rows[] = {
        {"web", "web"},
        {"/var/lib/x_1/web-2.sav", "/var/lib/x_1/web-2.sav"},
        {"", "''"},
        {"two words", "'two words'"},
        {"x'; touch PWNED; '", "'x'\\''; touch PWNED; '\\'''"},
        {"$(id) `id` \\ \" ~ * ?", "'$(id) `id` \\ \" ~ * ?'"},
        {"gr\xc3\xbc\xc3\x9f", "'gr\xc3\xbc\xc3\x9f'"},
        {"s\xe9rie", "$'s\\351rie'"},
        {"a\nb", "$'a\\012b'"},
        {"a\033[2J'\\", "$'a\\033[2J\\047\\134'"},
        {"\xe2\x80\xae", "$'\\342\\200\\256'"},
        {"\xc2\x9b"
         "1",
         "$'\\302\\2331'"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        CLEANUP_FREE char *quoted = shell_quote(rows[i].text);
        assert_string_equal(quoted, rows[i].quoted);
        /* What is printed goes through the filter of all output unchanged ... */
        CLEANUP_FREE char *shown = terminal_safe_line(quoted);
        assert_string_equal(shown, quoted);
        /* ... and gives a shell the very bytes. */
        CLEANUP_FREE char *line = mem_printf("printf %%s %s", quoted);
        const char *const argv[] = {"bash", "-c", line, NULL};
        CLEANUP_BUF struct buf out = {0};
        assert_int_equal(process_run(argv, &out, NULL), 0);
        assert_int_equal(out.len, strlen(rows[i].text));
        if (out.len)
            assert_memory_equal(out.data, rows[i].text, out.len);
    }
}

static void a_simpler_shell_sees_one_word_too(void **state)
{
    static const char *const argv[] = {"sh", "-c", NULL, NULL};
    const char *with_line[4];
    CLEANUP_FREE char *quoted = shell_quote("a\n'; echo PWNED; '\\");
    CLEANUP_FREE char *line = mem_printf("set -- %s; printf %%s $#", quoted);
    CLEANUP_BUF struct buf out = {0};

    (void)state;
    memcpy(with_line, argv, sizeof(with_line));
    with_line[2] = line;
    assert_int_equal(process_run(with_line, &out, NULL), 0);
    assert_int_equal(out.len, 1);
    assert_int_equal(out.data[0], '1');
}

static void a_guest_that_is_called_like_an_option(void **state)
{
    CLEANUP_FREE char *usual = shell_virsh("start", "web 1");
    CLEANUP_FREE char *odd = shell_virsh("start", "--help");

    (void)state;
    assert_string_equal(usual, "virsh start 'web 1'");
    assert_string_equal(odd, "virsh start -- --help");
}

static void a_listed_name_has_its_comma_escaped(void **state)
{
    CLEANUP_FREE char *usual = shell_quote_listed("web");
    CLEANUP_FREE char *odd = shell_quote_listed("web,old\\");

    (void)state;
    assert_string_equal(usual, "web");
    assert_string_equal(odd, "'web\\,old\\\\'");
}

/* ---- folders ------------------------------------------------------------------ */

static bool reading_breaks;

/* In the place of the C library's: a folder whose medium fails after the first names. */
struct dirent *readdir(DIR *dir)
{
    static unsigned calls;
    struct dirent *(*real)(DIR *) = NULL;
    void *symbol = dlsym(RTLD_NEXT, sizeof(long) == 8 ? "readdir" : "readdir64");

    memcpy(&real, &symbol, sizeof(real));
    if (reading_breaks && ++calls > 2) {
        errno = EIO;
        return NULL;
    }
    return real(dir);
}

static void a_folder_is_listed(void **state)
{
    struct scratch *scratch = *state;
    CLEANUP_STRINGS struct strings names = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    assert_int_equal(symlinkat("x", scratch->fd, "b"), 0);
    assert_int_equal(symlinkat("x", scratch->fd, ".a"), 0);
    assert_int_equal(symlinkat("x", scratch->fd, "c"), 0);
    for (int i = 0; i < 2; i++) { /* the descriptor's own position does not matter */
        strings_clear(&names);
        assert_int_equal(dir_list(scratch->fd, ".", &names, &err), 0);
        assert_int_equal(names.count, 3);
        assert_string_equal(names.items[0], ".a");
        assert_string_equal(names.items[2], "c");
    }
    assert_fails(dir_list(scratch->fd, "none", &names, &err), &err, ERR_NOT_FOUND);
    assert_int_equal(names.count, 3);
}

static void a_folder_that_cannot_be_read_to_its_end_is_an_error(void **state)
{
    struct scratch *scratch = *state;
    CLEANUP_STRINGS struct strings names = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    for (char name[] = "a"; *name < 'k'; ++*name)
        assert_int_equal(symlinkat("x", scratch->fd, name), 0);
    reading_breaks = true;
    int listed = dir_list(scratch->fd, ".", &names, &err);
    reading_breaks = false;
    assert_fails(listed, &err, ERR_IO);
    assert_int_equal(names.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beginnings_and_ends),
        cmocka_unit_test(utf8_is_decoded_strictly),
        cmocka_unit_test(text_is_cut_between_characters),
        cmocka_unit_test(a_list_of_strings),
        cmocka_unit_test(words_are_quoted_for_a_shell),
        cmocka_unit_test(a_simpler_shell_sees_one_word_too),
        cmocka_unit_test(a_guest_that_is_called_like_an_option),
        cmocka_unit_test(a_listed_name_has_its_comma_escaped),
        cmocka_unit_test_setup_teardown(a_folder_is_listed, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(a_folder_that_cannot_be_read_to_its_end_is_an_error,
                                        scratch_setup, scratch_teardown),
    };

    return cmocka_run_group_tests_name("base text", tests, NULL, NULL);
}
