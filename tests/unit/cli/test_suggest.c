/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "cli/suggest.h"

static const char *const words[] = {"source-path", "destination-path", "compression", "json",
                                    "disks",       "disk-map",         "replace",     "quiet"};
#define WORD_COUNT (sizeof(words) / sizeof(*words))

static void the_nearest_word_is_found(void **state)
{
    static const struct {
        const char *word;
        const char *nearest;
    } rows[] = {
        {"compresion", "compression"},   /* a letter missing */
        {"compresssion", "compression"}, /* one too many */
        {"conpression", "compression"},  /* a wrong one */
        {"jsno", "json"},                /* two exchanged */
        {"dest", "destination-path"},    /* the beginning */
        {"disk", "disks"},
        {"disk-mp", "disk-map"},
        {"queit", "quiet"}, /* and twice: */
        {"uqite", "quiet"},
        {"source_path", "source-path"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_string_equal(suggest_nearest(rows[i].word, words, WORD_COUNT), rows[i].nearest);
}

static void nothing_is_suggested_for_what_is_far(void **state)
{
    static const char *const far[] = {
        "",
        "x",
        "zz",
        "verbose",
        "hello-world",
        "a-word-that-is-longer-than-any-option-of-ours-could-be-and-goes-on"};

    (void)state;
    for (size_t i = 0; i < sizeof(far) / sizeof(*far); i++)
        assert_null(suggest_nearest(far[i], words, WORD_COUNT));
    assert_null(suggest_nearest("json", words, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nearest_word_is_found),
        cmocka_unit_test(nothing_is_suggested_for_what_is_far),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
