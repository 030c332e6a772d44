/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/guests/select.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "keep_world.h"

static const char *const there[] = {"-dash", "a,b", "db", "web", "web-2", "web*"};
#define THERE (sizeof(there) / sizeof(*there))
static const char *const uuids[THERE] = {NULL,
                                         "11111111-aaaa-4111-8111-111111111111",
                                         "22222222-bbbb-4222-8222-222222222222",
                                         NULL,
                                         NULL,
                                         NULL};

static char nightly[] = "nightly";
static char gold[] = "gold";
static char *db_tags[] = {nightly, gold};
static char *web_tags[] = {nightly};
static const char *const titles[THERE] = {NULL, "", "Orders", "Shop [test]", "Shop t", NULL};
static const struct strings tags[THERE] = {[2] = {db_tags, 2}, [3] = {web_tags, 1}};

/* What was told, a line each. */
static void note_event(void *opaque, const struct event *event)
{
    assert_int_equal(event->kind, EVENT_NO_MATCH);
    assert_int_equal(event->no_match.why, strstr(event->no_match.option, "tags") ? NO_MATCH_TAG
                                          : strstr(event->no_match.option, "titles")
                                              ? NO_MATCH_TITLE
                                              : NO_MATCH_GUEST);
    buf_printf(opaque, "%s of %s: %s\n", event->no_match.option, event->no_match.where,
               event->no_match.name);
}

enum { NAMES, EXCLUDED, TITLES, TAGS, LISTS };

/* The choice as text: the names chosen, then what was told. The caller frees. */
static char *choice(const struct name_list lists[LISTS], struct outcome *outcome, struct err *err)
{
    struct buf told = {0};
    struct buf text = {0};
    const struct report report = {.opaque = &told, .event = note_event};
    bool chosen[THERE] = {0};
    const struct select_request request = {
        .names = there,
        .uuids = uuids,
        .titles = titles,
        .tags = tags,
        .count = THERE,
        .wanted = &lists[NAMES],
        .wanted_titles = &lists[TITLES],
        .wanted_tags = &lists[TAGS],
        .excluded = &lists[EXCLUDED],
        .where = "the hypervisor",
        .report = &report,
        .outcome = outcome,
    };

    if (select_names(&request, chosen, err) < 0) {
        buf_clear(&told);
        return NULL;
    }
    for (size_t i = 0; i < THERE; i++)
        if (chosen[i])
            buf_printf(&text, "%s ", there[i]);
    buf_append(&text, told.data, told.len);
    buf_clear(&told);
    return buf_take_str(&text);
}

static void expect_choice_of(const char *const *const words[LISTS], unsigned failed,
                             const char *expected)
{
    struct name_list lists[LISTS] = {0};
    struct outcome outcome = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    for (int i = 0; i < LISTS; i++)
        for (lists[i].names = words[i]; words[i] && words[i][lists[i].count];)
            lists[i].count++;
    CLEANUP_FREE char *text = choice(lists, &outcome, &err);
    if (!text && err.kind == ERR_NOT_FOUND)
        assert_string_equal(err.text, expected);
    else
        assert_string_equal(text, expected);
    assert_int_equal(outcome.failed, failed);
}

static void expect_choice(const char *const *wanted, const char *const *excluded, unsigned failed,
                          const char *expected)
{
    expect_choice_of((const char *const *const[LISTS]){wanted, excluded, NULL, NULL}, failed,
                     expected);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void without_names_all_are_chosen(void **state)
{
    (void)state;
    expect_choice(NULL, NULL, 0, "-dash a,b db web web-2 web* ");
}

static void only_named_ones_are_chosen(void **state)
{
    (void)state;
    expect_choice(WORDS("web", "a,b"), NULL, 0, "a,b web ");
}

static void excluded_ones_are_taken_out(void **state)
{
    (void)state;
    expect_choice(WORDS("web", "db"), WORDS("db"), 0, "web ");
}

static void uuids_are_names_too(void **state)
{
    (void)state;
    expect_choice(WORDS("11111111-AAAA-4111-8111-111111111111"), NULL, 0, "a,b ");
    expect_choice(NULL, WORDS("22222222-bbbb-4222-8222-222222222222", "web?2"), 0,
                  "-dash a,b web web* ");
}

static void patterns_are_names_too(void **state)
{
    (void)state;
    expect_choice(WORDS("w?b", "[ad]*"), NULL, 0, "a,b db web ");
    expect_choice(NULL, WORDS("w*"), 0, "-dash a,b db ");
}

static void a_literal_name_wins_over_a_pattern(void **state)
{
    (void)state;
    expect_choice(WORDS("web*"), NULL, 0, "web* ");
    expect_choice(WORDS("web-*", "db"), WORDS("web*"), 0, "db web-2 ");
}

static void what_matches_nothing_is_told_and_the_others_are_taken(void **state)
{
    (void)state;
    expect_choice(WORDS("web", "wbe", "x*"), WORDS("nobody"), 3,
                  "web "
                  "--domain-names of the hypervisor: wbe\n"
                  "--domain-names of the hypervisor: x*\n"
                  "--exclude-domains of the hypervisor: nobody\n");
    expect_choice(NULL, WORDS("nobody"), 1,
                  "-dash a,b db web web-2 web* "
                  "--exclude-domains of the hypervisor: nobody\n");
}

static void a_choice_of_none_is_refused(void **state)
{
    (void)state;
    expect_choice(WORDS("web"), WORDS("web"), 0, "the hypervisor has no guest to work on");
    expect_choice(WORDS("wbe"), NULL, 0, "the hypervisor has no guest 'wbe'");
    expect_choice(WORDS("wbe", "y"), NULL, 0, "the hypervisor has no guest 'wbe', 'y'");
}

static void titles_and_tags_choose_too(void **state)
{
    (void)state;
    expect_choice_of((const char *const *const[LISTS]){[TITLES] = WORDS("Shop*")}, 0, "web web-2 ");
    /* The text itself, or a pattern. */
    expect_choice_of((const char *const *const[LISTS]){[TITLES] = WORDS("Shop [test]")}, 0,
                     "web web-2 ");
    expect_choice_of((const char *const *const[LISTS]){[TAGS] = WORDS("gold", "night*", "Gold")}, 2,
                     "db "
                     "--domain-tags of the hypervisor: night*\n"
                     "--domain-tags of the hypervisor: Gold\n");
    /* Together they choose more, and what is excluded is not chosen by any. */
    expect_choice_of((const char *const *const[LISTS]){WORDS("a,b"), WORDS("web"),
                                                       WORDS("Ord*", "x"), WORDS("nightly")},
                     1, "a,b db --domain-titles of the hypervisor: x\n");
    expect_choice_of(
        (const char *const *const[LISTS]){WORDS("wbe"), NULL, WORDS("x", "y"), WORDS("z")}, 0,
        "the hypervisor has no guest 'wbe', and no guest with the title 'x', 'y', and "
        "no guest with the tag 'z'");
}

static void disks_are_named_alone_or_with_their_guest(void **state)
{
    static const struct {
        const char *word;
        bool matches;
    } rows[] = {
        {"vdb", true},        {"vda", false},     {"a:b:vdb", true}, {"a:*:vdb", true},
        {"a:b:vda", false},   {"web:vdb", false}, {":vdb", false},   {"a:b", false},
        {"1111-X:vdb", true}, {"*:vdb", true},    {"*", false},
    };
    const struct select_disk disk = {"a:b", "1111-x", "vdb"};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_int_equal(select_disk_matches(rows[i].word, &disk), rows[i].matches);
}

static void a_guest_in_a_word_for_a_disk_becomes_its_name(void **state)
{
    static const char *const names[] = {"web", "web1", "web*"};
    static const char *const ids[] = {"1111-x", "2222-x", "3333-x"};
    static const char *const words[] = {"vda", "2222-X:vdb", "web*:vdc", "?eb:vdd", "gone:vde"};
    static const char *const wanted[] = {"vda", "web1:vdb", "web*:vdc", "web:vdd"};
    const struct select_request request = {.names = names, .uuids = ids, .count = 3};
    const struct name_list list = {words, 5};
    CLEANUP_STRINGS struct strings found = {0};

    (void)state;
    select_expand_disks(&request, &list, &found);
    assert_int_equal(found.count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(found.items[i], wanted[i]);
    const struct name_list expanded = {(const char *const *)found.items, found.count};
    assert_true(select_disk_in_list(&expanded, &(struct select_disk){"any", NULL, "vda"}));
    assert_true(select_disk_in_list(&expanded, &(struct select_disk){"web*", NULL, "vdc"}));
    assert_false(select_disk_in_list(&expanded, &(struct select_disk){"web1", NULL, "vdc"}));
}

/* ---- points of a repository ------------------------------------------------------------------- */

static void no_event(void *opaque, const struct event *event)
{
    (void)opaque;
    (void)event;
}

/* Guests and the last digits of their points, as they are chosen; the caller frees. NULL: refused. */
static char *chosen_points(struct points_store *store, const char *const *words, size_t count,
                           struct err *err)
{
    const struct name_list wanted = {words, count};
    const struct report report = {.event = no_event};
    struct outcome outcome = {0};
    const struct select_request request = {
        .wanted = &wanted, .report = &report, .outcome = &outcome};
    struct selection selection CLEANUP(selection_clear) = {0};
    struct buf text = {0};

    if (select_from_store(store, &request, &selection, err) < 0)
        return NULL;
    for (size_t i = 0; i < selection.count; i++)
        if (selection.chosen[i])
            buf_printf(&text, "%s@%.4s ", selection.names[i],
                       selection.points[i] ? selection.points[i] + 12 : "-");
    return buf_take_str(&text);
}

#define POINT_OF(digits) "019800000000" digits "0000000000000001"

static void a_guest_with_a_point_means_that_point(void **state)
{
    static const struct planted points[] = {
        {2, "web", POINT_OF("1111"), 1000, 0},
        {2, "web", POINT_OF("2222"), 2000, 0},
        {4, "a@b", POINT_OF("4444"), 1000, 0},
    };
    static const struct {
        const char *words[2];
        const char *expected; /* NULL: refused */
        enum err_kind kind;
    } rows[] = {
        {{"web"}, "web@- ", 0},
        {{"web@latest"}, "web@2222 ", 0},
        {{"web@0198000000001111"}, "web@1111 ", 0},
        {{"web@" POINT_OF("1111")}, "web@1111 ", 0},
        {{"web@1970-01-01 00:00:01Z"}, "web@1111 ", 0},
        {{"a@b"}, "a@b@- ", 0}, /* the whole word is a guest */
        {{"a@b@latest"}, "a@b@4444 ", 0},
        {{"*@1970-01-01 00:00:01Z"}, "a@b@4444 web@1111 ", 0},
        {{"web@0198000000001111", "web@latest"}, "web@1111 web@2222 ", 0},
        {{"web@01980000"}, NULL, ERR_USAGE},              /* means several */
        {{"web@newest"}, NULL, ERR_USAGE},                /* means nothing */
        {{"web@" POINT_OF("4444")}, NULL, ERR_NOT_FOUND}, /* another guest's */
        {{"wbe@latest"}, NULL, ERR_NOT_FOUND},
    };
    CLEANUP_KEEP_WORLD struct keep_world world = {0};
    CLEANUP(points_store_closep) struct points_store *store = NULL;

    (void)state;
    store = keep_world_of(&world, points, sizeof(points) / sizeof(*points));
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        CLEANUP_FREE char *text =
            chosen_points(store, rows[i].words, rows[i].words[1] ? 2 : 1, &err);
        if (rows[i].expected && !text)
            fail_msg("%s: %s", rows[i].words[0], err.text);
        if (rows[i].expected)
            assert_string_equal(text, rows[i].expected);
        else
            assert_fails(text ? 0 : -1, &err, rows[i].kind);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_names_all_are_chosen),
        cmocka_unit_test(only_named_ones_are_chosen),
        cmocka_unit_test(excluded_ones_are_taken_out),
        cmocka_unit_test(uuids_are_names_too),
        cmocka_unit_test(patterns_are_names_too),
        cmocka_unit_test(a_literal_name_wins_over_a_pattern),
        cmocka_unit_test(what_matches_nothing_is_told_and_the_others_are_taken),
        cmocka_unit_test(a_choice_of_none_is_refused),
        cmocka_unit_test(titles_and_tags_choose_too),
        cmocka_unit_test(disks_are_named_alone_or_with_their_guest),
        cmocka_unit_test(a_guest_in_a_word_for_a_disk_becomes_its_name),
        cmocka_unit_test(a_guest_with_a_point_means_that_point),
    };

    return cmocka_run_group_tests_name("ops select", tests, NULL, NULL);
}
