/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "repository/format/name.h"

#define GUEST "11112222333344445555666677778888"
#define SESSION "0198aabbccddeeff00112233445566ef"
#define RANDOM "0123456789abcdef"

/* Written from the manual page. */
static const struct {
    const char *text;
    enum name_kind kind;
    uint32_t number;
} good[] = {
    {"config", NAME_CONFIG, 0},
    {"reserve", NAME_RESERVE, 0},
    {"keys/default/fedcba9876543210-" RANDOM ".age", NAME_KEY, 0},
    {"s/default/" GUEST "/" SESSION, NAME_SESSION, 0},
    {"p/default/" GUEST "/" SESSION, NAME_SLOT, 0},
    {"t/default/" GUEST "/" SESSION ".1", NAME_MARKER, 1},
    {"t/default/" GUEST "/" SESSION ".9999", NAME_MARKER, 9999},
    {"t/default/" GUEST "/" SESSION ".12.v", NAME_VERDICT, 12},
    {"h/default/" GUEST "/" SESSION "/hold", NAME_HOLD, 0},
    {"h/default/" GUEST "/" SESSION "/tag-before_Upgrade.2", NAME_TAG, 0},
    {"c/default/" RANDOM, NAME_COLLECTION, 0},
    {"d/default/ef/" SESSION "-00000000", NAME_PACK, 0},
    {"d/default/ef/" SESSION "-000fffff", NAME_PACK, 0xfffff},
    {"v/default/bad/" SESSION "-0000000a", NAME_BAD_PACK, 10},
    {"v/default/ok/" GUEST "/" SESSION "-" RANDOM, NAME_VERIFIED, 0},
    {"x/default/" GUEST "/" SESSION, NAME_SET_ASIDE, 0},
    {"r/default/" GUEST "/" SESSION "-" RANDOM, NAME_RESULT, 0},
    {"tmp/default/" GUEST "/" SESSION "-0", NAME_PART, 0},
    {"tmp/default/" GUEST "/" SESSION "-4294967295", NAME_PART, 4294967295u},
    {"tmp/" RANDOM, NAME_LONE_PART, 0},
    {"s/a-scope-of-the-longest-kind-0123/" GUEST "/" SESSION, NAME_SESSION, 0},
};

static void names_come_back_as_they_were(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct name name = {0};
        assert_true(name_parse(good[i].text, &name));
        assert_int_equal(name.kind, good[i].kind);
        assert_int_equal(name.number, good[i].number);
        CLEANUP_FREE char *text = name_format(&name);
        assert_string_equal(text, good[i].text);
    }
}

static void members_are_where_they_belong(void **state)
{
    char id[ID_TEXT_SIZE];
    struct name name = {0};

    (void)state;
    assert_true(name_parse("h/my-scope/" GUEST "/" SESSION "/tag-T", &name));
    assert_string_equal(name.scope, "my-scope");
    assert_string_equal(id_text(&name.guest, id), GUEST);
    assert_string_equal(id_text(&name.session, id), SESSION);
    assert_string_equal(name.tag, "T");
    assert_true(name_parse("keys/s/fedcba9876543210-" RANDOM ".age", &name));
    assert_string_equal(name.key, "fedcba9876543210");
    assert_string_equal(name.random, RANDOM);
}

static void what_is_not_exactly_a_name_is_none(void **state)
{
    static const char *const bad[] = {
        "",
        "configs",
        "config/",
        "/config",
        "s/default/" GUEST,
        "s/default/" GUEST "/",
        "s/default/" GUEST "/" SESSION "/",
        "s/default/" GUEST "/" SESSION "0",
        "s//" GUEST "/" SESSION,
        "s/Default/" GUEST "/" SESSION,
        "s/default/" GUEST "/0198AABBCCDDEEFF00112233445566EF",
        "t/default/" GUEST "/" SESSION ".0",
        "t/default/" GUEST "/" SESSION ".01",
        "t/default/" GUEST "/" SESSION ".10000",
        "t/default/" GUEST "/" SESSION ".4294967297",
        "t/default/" GUEST "/" SESSION ".99999999999999999999",
        "t/default/" GUEST "/" SESSION ".",
        "t/default/" GUEST "/" SESSION ".1.w",
        "t/default/" GUEST "/" SESSION ".1.v.v",
        "h/default/" GUEST "/" SESSION "/held",
        "h/default/" GUEST "/" SESSION "/tag-",
        "h/default/" GUEST "/" SESSION "/tag-a b",
        "c/default/" RANDOM "0",
        "c/default/0123",
        "d/default/ee/" SESSION "-00000000", /* not the last byte of the session */
        "d/default/EF/" SESSION "-00000000",
        "d/default/ef/" SESSION "-0000000",
        "d/default/ef/" SESSION "-00100000",
        "d/default/ef/" SESSION "-ffffffff",
        "d/default/ef/" SESSION "-0000000A",
        "tmp/default/" GUEST "/" SESSION "-4294967296",
        "tmp/default/" GUEST "/" SESSION "--1",
        "s/a-scope-of-more-than-the-longest0/" GUEST "/" SESSION,
        "q/default/" GUEST "/" SESSION,
    };
    struct name name = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (name_parse(bad[i], &name))
            fail_msg("'%s' was taken for a name", bad[i]);
}

/* Each part that a name begins with, and nothing else. */
static void folders_are_what_names_begin_with(void **state)
{
    static const char *const none[] = {"",
                                       "p/",
                                       "q",
                                       "p/Default",
                                       "p/default/1111",
                                       "p/default/" GUEST "/",
                                       "d/default/EF",
                                       "d/default/efe",
                                       "v/default/good"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CLEANUP_FREE char *text = mem_strdup(good[i].text);
        assert_true(good[i].kind == NAME_LONE_PART || !name_is_folder(text));
        for (char *slash; (slash = strrchr(text, '/')) != NULL;) {
            *slash = '\0';
            if (!name_is_folder(text))
                fail_msg("'%s' is a folder", text);
        }
    }
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        if (name_is_folder(none[i]))
            fail_msg("'%s' was taken for a folder", none[i]);
}

static void tags_and_scopes_have_their_lengths(void **state)
{
    char text[LIMITS_TAG + 2];

    (void)state;
    memset(text, 'a', sizeof(text));
    text[LIMITS_TAG + 1] = '\0';
    assert_false(name_is_tag(text));
    text[LIMITS_TAG] = '\0';
    assert_true(name_is_tag(text));
    assert_false(name_is_scope(text));
    text[LIMITS_SCOPE + 1] = '\0';
    assert_false(name_is_scope(text));
    text[LIMITS_SCOPE] = '\0';
    assert_true(name_is_scope(text));
    assert_false(name_is_scope(""));
    assert_false(name_is_tag(""));
    assert_true(name_is_tag("Before_Upgrade-2.0"));
    assert_false(name_is_scope("Default"));
}

static void ids_of_sessions_are_in_the_order_of_time(void **state)
{
    struct id early, late;
    char text[ID_TEXT_SIZE];
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(id_of_time(1700000000255, &early, NULL), 0);
    assert_int_equal(id_of_time(1700000000256, &late, NULL), 0);
    assert_true(id_compare(&early, &late) < 0);
    assert_int_equal(id_time_ms(&early), 1700000000255);
    assert_int_equal(strncmp(id_text(&early, text), "018bcfe568ff", 12), 0);
    assert_int_equal(id_of_time(1700000000255, &late, NULL), 0);
    assert_int_not_equal(id_compare(&early, &late), 0);
    assert_int_equal(id_of_time((INT64_C(1) << 48) - 1, &late, NULL), 0);
    assert_int_equal(id_time_ms(&late), (INT64_C(1) << 48) - 1);
    assert_int_equal(id_of_time(INT64_C(1) << 48, &late, &err), -1);
    assert_int_equal(id_of_time(-1, &late, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_come_back_as_they_were),
        cmocka_unit_test(members_are_where_they_belong),
        cmocka_unit_test(what_is_not_exactly_a_name_is_none),
        cmocka_unit_test(folders_are_what_names_begin_with),
        cmocka_unit_test(tags_and_scopes_have_their_lengths),
        cmocka_unit_test(ids_of_sessions_are_in_the_order_of_time),
    };

    return cmocka_run_group_tests_name("repository name", tests, NULL, NULL);
}
