/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "repository/format/small_object.h"
#include "repository/format/stamp.h"

#define WHEN "2026-05-01T03:00:00.250Z"
#define WHEN_MS INT64_C(1777604400250)
#define ID_ONE                                                                                     \
    "0101010101010101"                                                                             \
    "0101010101010101"
#define ID_TWO                                                                                     \
    "0202020202020202"                                                                             \
    "0202020202020202"
#define KEY ID_ONE ID_TWO

static const struct {
    enum small_object_kind kind;
    size_t max;
    const char *text;
} objects[] = {
    {SMALL_CONFIG, 4096,
     "{\"format\":1,\"encrypted\":false,\"block\":65536,\"pack\":33554432,\"id\":\"" ID_ONE
     "\",\"create-only\":\"versions\",\"created\":\"" WHEN "\",\"id-salt\":\"" KEY "\"}"},
    {SMALL_SESSION, 1024,
     "{\"format\":1,\"gid\":\"" ID_ONE "\",\"sid\":\"" ID_TWO
     "\",\"host\":\"h\",\"program\":\"virt-backup 0.1.0\"}"},
    {SMALL_TOKEN, 1024, "{\"format\":1,\"host\":\"h\",\"when\":\"" WHEN "\"}"},
    {SMALL_MARK, 1024, "{\"format\":1,\"by\":\"prune\",\"when\":\"" WHEN "\",\"reason\":\"old\"}"},
    {SMALL_BAD_PACK, 1024,
     "{\"format\":1,\"what\":\"stored\",\"when\":\"" WHEN "\",\"by\":\"verify\"}"},
    {SMALL_VERIFICATION, 65536,
     "{\"format\":1,\"level\":\"data\",\"result\":\"bad\",\"when\":\"" WHEN "\",\"host\":\"h\"}"},
    {SMALL_RESULT, 16384,
     "{\"format\":1,\"verb\":\"backup\",\"job\":\"nightly\",\"name\":\"web\",\"host\":\"h\","
     "\"started\":\"" WHEN "\",\"ended\":\"" WHEN "\",\"when\":\"" WHEN "\",\"status\":1,"
     "\"point\":null,\"read\":1048576,\"stored\":0,\"reason\":\"the disk is gone\"}"},
};
#define OBJECT_COUNT (sizeof(objects) / sizeof(objects[0]))

static int parse(size_t i, const char *text, struct err *err)
{
    CLEANUP_SMALL_OBJECT struct small_object object = {0};

    return small_object_parse(objects[i].kind, text, strlen(text), &object, err);
}

static void objects_are_as_documented(void **state)
{
    (void)state;
    for (size_t i = 0; i < OBJECT_COUNT; i++) {
        CLEANUP_SMALL_OBJECT struct small_object object = {0};
        CLEANUP_ERR struct err err = ERR_INIT;
        CLEANUP_BUF struct buf bytes = {0};
        if (small_object_parse(objects[i].kind, objects[i].text, strlen(objects[i].text), &object,
                               &err) < 0)
            fail_msg("row %zu: %s", i, err.text);
        assert_int_equal(small_object_format(&object, &bytes, NULL), 0);
        buf_put_u8(&bytes, 0);
        assert_string_equal((const char *)bytes.data, objects[i].text);
    }
}

static void members_have_their_meaning(void **state)
{
    CLEANUP_SMALL_OBJECT struct small_object config = {0}, bad = {0}, verified = {0};

    (void)state;
    assert_int_equal(
        small_object_parse(SMALL_CONFIG, objects[0].text, strlen(objects[0].text), &config, NULL),
        0);
    assert_int_equal(config.id.bytes[15], 1);
    assert_int_equal(config.id_salt[31], 2);
    assert_int_equal(config.create_only, CREATE_ONLY_VERSIONS);
    assert_int_equal(config.when_ms, WHEN_MS);
    assert_int_equal(
        small_object_parse(SMALL_BAD_PACK, objects[4].text, strlen(objects[4].text), &bad, NULL),
        0);
    assert_int_equal(bad.defect, DEFECT_STORED);
    assert_string_equal(bad.by, "verify");
    assert_int_equal(small_object_parse(SMALL_VERIFICATION, objects[5].text,
                                        strlen(objects[5].text), &verified, NULL),
                     0);
    assert_int_equal(verified.level, LEVEL_DATA);
    assert_int_equal(verified.result, RESULT_BAD);
}

/* The text of an object with one part exchanged. */
static char *with(size_t i, const char *part, const char *other)
{
    const char *at = strstr(objects[i].text, part);

    assert_non_null(at);
    return mem_printf("%.*s%s%s", (int)(at - objects[i].text), objects[i].text, other,
                      at + strlen(part));
}

static void each_member_must_be_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < OBJECT_COUNT; i++)
        for (const char *p = strchr(objects[i].text, '"'); p; p = strpbrk(p + 1, ",")) {
            const char *name = *p == ',' ? p + 1 : p; /* at its quote */
            CLEANUP_FREE char *quoted = mem_strndup(name, (size_t)(strchr(name + 1, '"') - name));
            CLEANUP_FREE char *other = mem_printf("%sx", quoted);
            CLEANUP_FREE char *text = with(i, quoted, other);
            CLEANUP_ERR struct err err = ERR_INIT;
            assert_int_equal(parse(i, text, &err), -1);
            assert_int_equal(err.kind, ERR_CORRUPT);
            assert_non_null(strstr(err.text, quoted));
        }
}

static void what_an_object_cannot_say_is_refused(void **state)
{
    static const struct {
        size_t object;
        const char *part;
        const char *other;
        enum err_kind kind;
        const char *says;
    } rows[] = {
        {0, "\"format\":1", "\"format\":2", ERR_UNSUPPORTED, "newer"},
        {0, "\"format\":1", "\"format\":0", ERR_CORRUPT, "format"},
        {0, "\"format\":1", "\"format\":\"1\"", ERR_CORRUPT, "format"},
        {0, "false", "true", ERR_UNSUPPORTED,
         "encrypted repositories are not supported by this version"},
        {0, "false", "0", ERR_CORRUPT, "encrypted"},
        {0, "65536", "65537", ERR_CORRUPT, "other sizes"},
        {0, "33554432", "33554431", ERR_CORRUPT, "other sizes"},
        {0, "33554432", "4294967296", ERR_CORRUPT, "pack"},
        {0, "versions", "version", ERR_CORRUPT, "create-only"},
        {0, "2026-", "2026/", ERR_CORRUPT, "created"},
        {0, ID_TWO,
         "0202020202020202"
         "020202020202020A",
         ERR_CORRUPT, "id-salt"},
        {0, KEY, KEY "0", ERR_CORRUPT, "id-salt"},
        {1, ID_ONE, ID_ONE "0", ERR_CORRUPT, "gid"},
        {1, ID_ONE, "01", ERR_CORRUPT, "gid"},
        {1, "\"h\"", "\"\"", ERR_CORRUPT, "host"},
        {1, "\"h\"", "null", ERR_CORRUPT, "host"},
        {2, "}", "", ERR_CORRUPT, "JSON"},
        {2, "}", "}}", ERR_CORRUPT, "JSON"},
        {2, "\"h\"", "\"h\",\"host\":\"g\"", ERR_CORRUPT, "JSON"},
        {4, "stored", "store", ERR_CORRUPT, "what"},
        {5, "\"data\"", "\"Data\"", ERR_CORRUPT, "level"},
        {5, "\"bad\"", "7", ERR_CORRUPT, "result"},
        {6, "\"nightly\"", "\"\"", ERR_CORRUPT, "job"},
        {6, "null", "7", ERR_CORRUPT, "point"},
        {6, "1048576", "-1", ERR_CORRUPT, "read"},
        {6, "1048576", "9223372036854775808", ERR_CORRUPT, "JSON"},
        {6, "\"status\":1", "\"status\":null", ERR_CORRUPT, "status"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP_FREE char *text = with(rows[i].object, rows[i].part, rows[i].other);
        CLEANUP_ERR struct err err = ERR_INIT;
        if (parse(rows[i].object, text, &err) == 0)
            fail_msg("row %zu was taken", i);
        if (err.kind != rows[i].kind || !strstr(err.text, rows[i].says))
            fail_msg("row %zu: %s", i, err.text);
    }
}

static void unknown_members_are_ignored(void **state)
{
    (void)state;
    for (size_t i = 0; i < OBJECT_COUNT; i++) {
        CLEANUP_FREE char *text = with(i, "{", "{\"other\":{\"format\":7},");
        assert_int_equal(parse(i, text, NULL), 0);
    }
}

static void objects_have_most_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < OBJECT_COUNT; i++) {
        CLEANUP_FREE char *longest = mem_printf("%*s", (int)objects[i].max, objects[i].text);
        CLEANUP_FREE char *longer = mem_printf(" %s", longest);
        CLEANUP_ERR struct err err = ERR_INIT;
        assert_int_equal(parse(i, longest, NULL), 0);
        assert_int_equal(parse(i, longer, &err), -1);
        assert_non_null(strstr(err.text, "may have"));
    }
}

static void too_much_is_not_written(void **state)
{
    CLEANUP_FREE char *reason = mem_printf("%1000s", "x");
    struct small_object mark = {.kind = SMALL_MARK, .by = reason, .reason = reason};
    CLEANUP_BUF struct buf bytes = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    char none[] = "";

    (void)state;
    assert_int_equal(small_object_format(&mark, &bytes, &err), -1);
    assert_int_equal(err.kind, ERR_UNSUPPORTED);
    mark.by = none;
    mark.reason = none;
    assert_int_equal(small_object_format(&mark, &bytes, &err), -1);
    assert_non_null(strstr(err.text, "cannot be read back"));
    assert_int_equal(bytes.len, 0);
}

static void times_are_read_in_one_form(void **state)
{
    static const char *const bad[] = {
        "",
        "2026-05-01T03:00:00Z",
        "2026-05-01T03:00:00.25Z",
        "2026-05-01 03:00:00.250Z",
        "2026-05-01T03:00:00.250z",
        "2026-05-01T03:00:00.250Z ",
        "2026-02-29T03:00:00.250Z",
        "2026-05-01T24:00:00.250Z",
        "2026-05-01T03:00:60.250Z",
        "2026-13-01T03:00:00.250Z",
        "2026-05- 1T03:00:00.250Z",
        "2026-05-01T03:00:00.-50Z",
        "1969-12-31T23:59:59.999Z",
    };
    char text[STAMP_SIZE];
    int64_t time_ms = 0;

    (void)state;
    assert_string_equal(stamp_format(WHEN_MS, text), WHEN);
    assert_true(stamp_parse(WHEN, &time_ms));
    assert_int_equal(time_ms, WHEN_MS);
    assert_string_equal(stamp_format(0, text), "1970-01-01T00:00:00.000Z");
    assert_true(stamp_parse("2028-02-29T23:59:59.999Z", &time_ms));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (stamp_parse(bad[i], &time_ms))
            fail_msg("'%s' was taken", bad[i]);
}

/* ---- what a parser says ------------------------------------------------------------------------ */

/* It flips the bit `at`, or leaves the last `cut` bytes out. */
struct lying_parser {
    size_t at;
    size_t cut;
    size_t len; /* of what it would say otherwise */
};

static int lie(void *opaque, const struct parser_task *task, struct buf *ret, struct err *err)
{
    struct lying_parser *lying = opaque;

    if (task->function(task->data, task->len, ret, err) < 0)
        return -1;
    lying->len = ret->len;
    ret->len -= lying->cut;
    if (lying->at < ret->len * 8)
        ret->data[lying->at / 8] ^= (uint8_t)(1u << lying->at % 8);
    return 0;
}

static int read_from(struct lying_parser *lying, size_t i, struct small_object *ret,
                     struct err *err)
{
    const struct parser parser = {lying, lie};
    CLEANUP_BUF struct buf bytes = {0};

    buf_append_str(&bytes, objects[i].text);
    return small_object_read(&parser, objects[i].kind, &bytes, ret, err);
}

static void what_a_parser_says_is_the_object(void **state)
{
    (void)state;
    for (size_t i = 0; i < OBJECT_COUNT; i++) {
        struct lying_parser honest = {.at = SIZE_MAX};
        CLEANUP_SMALL_OBJECT struct small_object object = {0};
        CLEANUP_ERR struct err err = ERR_INIT;
        CLEANUP_BUF struct buf bytes = {0};
        if (read_from(&honest, i, &object, &err) < 0)
            fail_msg("%s", err.text);
        assert_int_equal(small_object_format(&object, &bytes, NULL), 0);
        assert_int_equal(bytes.len, strlen(objects[i].text));
        assert_memory_equal(bytes.data, objects[i].text, bytes.len);
    }
}

/* What is believed could have been written: it is read back then. */
static void nothing_that_a_parser_says_of_an_object_does_harm(void **state)
{
    size_t refused = 0;

    (void)state;
    for (size_t i = 0; i < OBJECT_COUNT; i++) {
        struct lying_parser lying = {.at = SIZE_MAX};
        for (size_t bit = 0; bit == 0 || bit < lying.len * 8; bit++) {
            CLEANUP_SMALL_OBJECT struct small_object object = {0};
            CLEANUP_ERR struct err err = ERR_INIT;
            CLEANUP_BUF struct buf bytes = {0};
            if (read_from(&lying, i, &object, &err) < 0) {
                assert_int_equal(err.kind, ERR_CORRUPT);
                refused++;
            } else {
                assert_int_equal(small_object_format(&object, &bytes, NULL), 0);
            }
            lying.at = bit;
        }
        for (lying.at = SIZE_MAX, lying.cut = 1; lying.cut <= lying.len; lying.cut++) {
            CLEANUP_SMALL_OBJECT struct small_object object = {0};
            assert_int_equal(read_from(&lying, i, &object, NULL), -1);
        }
    }
    assert_true(refused > 0);
}

/* What comes behind the last member, and what is longer than any object. */
static int say_more(void *opaque, const struct parser_task *task, struct buf *ret, struct err *err)
{
    if (task->function(task->data, task->len, ret, err) < 0)
        return -1;
    for (size_t i = 0; i < *(size_t *)opaque; i++)
        buf_put_u8(ret, 'x');
    return 0;
}

static void a_parser_that_says_too_much_is_refused(void **state)
{
    static const size_t counts[] = {1, 100000};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const struct parser parser = {(void *)&counts[i], say_more};
        CLEANUP_SMALL_OBJECT struct small_object object = {0};
        CLEANUP_ERR struct err err = ERR_INIT;
        CLEANUP_BUF struct buf bytes = {0};
        buf_append_str(&bytes, objects[3].text);
        assert_int_equal(small_object_read(&parser, objects[3].kind, &bytes, &object, &err), -1);
        assert_int_equal(err.kind, ERR_CORRUPT);
        assert_non_null(strstr(err.text, i ? "has more than" : "its members"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_parser_says_is_the_object),
        cmocka_unit_test(nothing_that_a_parser_says_of_an_object_does_harm),
        cmocka_unit_test(a_parser_that_says_too_much_is_refused),
        cmocka_unit_test(objects_are_as_documented),
        cmocka_unit_test(members_have_their_meaning),
        cmocka_unit_test(each_member_must_be_there),
        cmocka_unit_test(what_an_object_cannot_say_is_refused),
        cmocka_unit_test(unknown_members_are_ignored),
        cmocka_unit_test(objects_have_most_bytes),
        cmocka_unit_test(too_much_is_not_written),
        cmocka_unit_test(times_are_read_in_one_form),
    };

    return cmocka_run_group_tests_name("repository small object", tests, NULL, NULL);
}
