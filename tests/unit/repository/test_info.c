/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "repository/format/info.h"
#include "repository/format/small_items.h"

static const struct id guest = {{0x2f, 0x6a, 0x3c, 0x1e, 0x8d, 0x54, 0x4b, 0x7f, 0x9c, 0x0a, 0x1d,
                                 0x2e, 0x3f, 0x40, 0x51, 0x62}};

static const char ordinary[] =
    "{\"format\":1,\"name\":\"web\",\"uuid\":\"2f6a3c1e-8d54-4b7f-9c0a-1d2e3f405162\","
    "\"taken-at\":\"2026-05-01T03:00:00.250Z\",\"guest-state\":\"running\","
    "\"consistency\":\"frozen\",\"host\":\"host.example\",\"program\":\"virt-backup 0.1.0\","
    "\"base\":\"22222222222222222222222222222222\",\"derived-from\":null,\"stored\":4096,"
    "\"memory\":false,\"tags\":[\"weekly\",\"a.b\"],"
    "\"disks\":[{\"target\":\"vda\",\"size\":281474976710656},{\"target\":\"vdb\",\"size\":0}]}";

static int parse(const char *text, struct err *err)
{
    CLEANUP_INFO struct info info = {0};

    return info_parse(text, strlen(text), &guest, &info, err);
}

static void info_is_as_documented(void **state)
{
    CLEANUP_INFO struct info info = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_BUF struct buf bytes = {0};

    (void)state;
    if (info_parse(ordinary, strlen(ordinary), &guest, &info, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(info.name, "web");
    assert_int_equal(info.taken_ms, INT64_C(1777604400250));
    assert_int_equal(info.state, STATE_RUNNING);
    assert_int_equal(info.consistency, CONSISTENCY_FROZEN);
    assert_true(info.has_base);
    assert_int_equal(info.base.bytes[0], 0x22);
    assert_false(info.derived);
    assert_int_equal(info.stored, 4096);
    assert_false(info.memory);
    assert_int_equal(info.tags.count, 2);
    assert_int_equal(info.disk_count, 2);
    assert_string_equal(info.disks[0].target, "vda");
    assert_int_equal(info.disks[0].size, LIMITS_IMAGE);
    assert_int_equal(info_format(&info, &bytes, NULL), 0);
    buf_put_u8(&bytes, 0);
    assert_string_equal((const char *)bytes.data, ordinary);
    info.disks[0].size++;
    assert_int_equal(info_format(&info, &bytes, NULL), -1);
}

static char *with(const char *part, const char *other)
{
    const char *at = strstr(ordinary, part);

    assert_non_null(at);
    return mem_printf("%.*s%s%s", (int)(at - ordinary), ordinary, other, at + strlen(part));
}

static void each_member_must_be_there(void **state)
{
    static const char *const names[] = {"format",      "name",         "uuid",   "taken-at",
                                        "guest-state", "consistency",  "host",   "program",
                                        "base",        "derived-from", "stored", "memory",
                                        "tags",        "disks",        "target", "size"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        CLEANUP_FREE char *quoted = mem_printf("\"%s\":", names[i]);
        CLEANUP_FREE char *other = mem_printf("\"%s-\":", names[i]);
        CLEANUP_FREE char *text = with(quoted, other);
        CLEANUP_ERR struct err err = ERR_INIT;
        if (parse(text, &err) == 0 || err.kind != ERR_CORRUPT)
            fail_msg("%s", names[i]);
    }
}

static void what_info_cannot_say_is_refused(void **state)
{
    static const struct {
        const char *part;
        const char *other;
        const char *says;
    } rows[] = {
        {"2f6a3c1e", "2F6a3c1e", "its UUID is 2F6a"},
        {"2f6a3c1e", "2f6a3c1f", "and its name says 2f6a3c1e-8d54-4b7f-9c0a-1d2e3f405162"},
        {"\"running\"", "\"runs\"", "guest-state"},
        {"\"frozen\"", "\"cold\"", "consistency"},
        {"\"222", "\"x22", "base"},
        {"null", "\"\"", "derived-from"},
        {"null", "0", "derived-from"},
        {"4096", "-1", "stored"},
        {"4096", "\"4096\"", "stored"},
        {"\"memory\":false", "\"memory\":null", "memory"},
        {"weekly", "a b", "tag 0"},
        {"weekly", "a.b", "tag 1"},
        {"\"weekly\"", "7", "tag 0"},
        {"[\"weekly\",\"a.b\"]", "{}", "tags"},
        {"281474976710656", "281474976710657", "disk 0"},
        {"\"vdb\"", "\"vda\"", "disk 'vda' appears twice"},
        {"\"vdb\"", "\"\"", "disk 1"},
        {"\"web\"", "\"w\\u0000b\"", "JSON"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP_FREE char *text = with(rows[i].part, rows[i].other);
        CLEANUP_ERR struct err err = ERR_INIT;
        if (parse(text, &err) == 0)
            fail_msg("row %zu was taken", i);
        if (err.kind != ERR_CORRUPT || !strstr(err.text, rows[i].says))
            fail_msg("row %zu: %s", i, err.text);
    }
}

static void lists_have_most_items(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        CLEANUP_BUF struct buf tags = {0}, disks = {0};
        for (unsigned i = 0; i < 32u + (unsigned)more; i++)
            buf_printf(&tags, "%s\"t%u\"", i ? "," : "", i);
        for (unsigned i = 0; i < 1024u + (unsigned)more; i++)
            buf_printf(&disks, "%s{\"target\":\"d%u\",\"size\":1}", i ? "," : "", i);
        CLEANUP_FREE char *tag_text = buf_take_str(&tags), *disk_text = buf_take_str(&disks);
        CLEANUP_FREE char *list = mem_printf("\"disks\":[%s]}", disk_text);
        CLEANUP_FREE char *many_tags = with("\"weekly\",\"a.b\"", tag_text);
        CLEANUP_FREE char *many_disks = with(strstr(ordinary, "\"disks\""), list);
        assert_int_equal(parse(many_tags, NULL), more ? -1 : 0);
        assert_int_equal(parse(many_disks, NULL), more ? -1 : 0);
    }
}

static void info_has_most_bytes(void **state)
{
    CLEANUP_FREE char *longest = mem_printf("%1048576s", ordinary);
    CLEANUP_FREE char *longer = mem_printf(" %s", longest);

    (void)state;
    assert_int_equal(parse(longest, NULL), 0);
    assert_int_equal(parse(longer, NULL), -1);
}

/* ---- the section SMALL ----------------------------------------------------------------------- */

static const uint8_t two_items[] = {
    0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 'v', 'a', 'r', /* NVRAM */
    0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,                /* an empty header */
};

static void small_items_are_as_documented(void **state)
{
    struct small_items items = {0};
    CLEANUP_BUF struct buf bytes = {0};

    (void)state;
    assert_int_equal(small_items_parse(two_items, sizeof(two_items), &items, NULL), 0);
    assert_int_equal(items.count, 2);
    assert_int_equal(items.items[0].kind, ITEM_NVRAM);
    assert_int_equal(items.items[0].len, 3);
    assert_memory_equal(items.items[0].data, "var", 3);
    assert_int_equal(items.items[1].kind, ITEM_SAVE_HEADER);
    assert_int_equal(items.items[1].len, 0);
    assert_int_equal(small_items_format(&items, &bytes, NULL), 0);
    assert_int_equal(bytes.len, sizeof(two_items));
    assert_memory_equal(bytes.data, two_items, sizeof(two_items));
    items.items[0].len = (size_t)LIMITS_SMALL_ITEM + 1;
    assert_int_equal(small_items_format(&items, &bytes, NULL), -1);
}

static void what_small_items_cannot_say_is_corrupt(void **state)
{
    static const struct {
        size_t at;
        uint8_t byte;
        const char *says;
    } rows[] = {
        {3, 0, "item 0 is unknown"},
        {3, 4, "item 4 is unknown"},
        {3, 3, "item 3 is unknown or not in its place"},
        {22, 1, "item 1 is unknown or not in its place"},
        {7, 1, "reserved"},
        {15, 2, "is unknown"},
        {15, 20, "SMALL is too short"},
        {13, 1, "SMALL is too short"},
        {8, 1, "may have"},
    };
    struct small_items items = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        uint8_t bytes[sizeof(two_items)];
        memcpy(bytes, two_items, sizeof(bytes));
        bytes[rows[i].at] = rows[i].byte;
        if (small_items_parse(bytes, sizeof(bytes), &items, &err) == 0)
            fail_msg("row %zu was taken", i);
        if (err.kind != ERR_CORRUPT || !strstr(err.text, rows[i].says))
            fail_msg("row %zu: %s", i, err.text);
    }
    for (size_t len = 0; len < sizeof(two_items); len++)
        assert_int_equal(small_items_parse(two_items, len, &items, NULL),
                         len == 0 || len == 19 ? 0 : -1);
}

static void an_item_has_most_bytes(void **state)
{
    CLEANUP_BUF struct buf bytes = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    struct small_items items = {0};

    (void)state;
    buf_append(&bytes, two_items, 8);
    buf_put_be64(&bytes, LIMITS_SMALL_ITEM + 1);
    memset(buf_reserve(&bytes, (size_t)LIMITS_SMALL_ITEM + 1), 0, (size_t)LIMITS_SMALL_ITEM + 1);
    bytes.len += (size_t)LIMITS_SMALL_ITEM + 1;
    assert_int_equal(small_items_parse(bytes.data, bytes.len, &items, &err), -1);
    assert_non_null(strstr(err.text, "may have 67108864"));
    set_be64(bytes.data + 8, LIMITS_SMALL_ITEM);
    assert_int_equal(small_items_parse(bytes.data, bytes.len - 1, &items, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(info_is_as_documented),
        cmocka_unit_test(each_member_must_be_there),
        cmocka_unit_test(what_info_cannot_say_is_refused),
        cmocka_unit_test(lists_have_most_items),
        cmocka_unit_test(info_has_most_bytes),
        cmocka_unit_test(small_items_are_as_documented),
        cmocka_unit_test(what_small_items_cannot_say_is_corrupt),
        cmocka_unit_test(an_item_has_most_bytes),
    };

    return cmocka_run_group_tests_name("repository info", tests, NULL, NULL);
}
