/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/array.h"
#include "repository/format/trust_section.h"

#define NAME "vb-0123456789abcdef-00112233445566778899aabbccddeeff"
#define FIRST "{\"offset\":0,\"id\":\"11111111111111111111111111111111\"}"
#define LAST "{\"offset\":281474976645120,\"id\":\"22222222222222222222222222222222\"}"

static const char ordinary[] =
    "{\"format\":1,\"checkpoint\":\"" NAME "\",\"bitmap\":\"" NAME "\",\"granularity\":65536,"
    "\"size\":281474976710656,\"path\":\"/images/web.qcow2\",\"image-format\":\"qcow2\","
    "\"host\":\"alpha\",\"inode\":17,\"redefine\":\"<domaincheckpoint/>\","
    "\"witnesses\":[" FIRST "," LAST "]}";

/* As JSON, and flat: both take the same. */
static int parse(const char *text, struct err *err)
{
    CLEANUP_TRUST_SECTION struct trust_section section = {0}, again = {0};
    CLEANUP_BUF struct buf flat = {0};

    if (trust_section_parse(text, strlen(text), &section, err) < 0)
        return -1;
    trust_section_flatten(&section, &flat);
    assert_true(flat.len < strlen(text)); /* there is room for it where the text was */
    assert_int_equal(trust_section_take(flat.data, flat.len, &again, NULL), 0);
    return 0;
}

static char *with(const char *part, const char *other)
{
    const char *at = strstr(ordinary, part);

    assert_non_null(at);
    return mem_printf("%.*s%s%s", (int)(at - ordinary), ordinary, other, at + strlen(part));
}

static void it_is_as_documented(void **state)
{
    CLEANUP_TRUST_SECTION struct trust_section section = {0};
    CLEANUP_BUF struct buf bytes = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    if (trust_section_parse(ordinary, strlen(ordinary), &section, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(section.facts.checkpoint, NAME);
    assert_string_equal(section.facts.bitmap, NAME);
    assert_int_equal(section.facts.granularity, 65536);
    assert_int_equal(section.facts.size, LIMITS_IMAGE);
    assert_string_equal(section.facts.path, "/images/web.qcow2");
    assert_string_equal(section.facts.format, "qcow2");
    assert_string_equal(section.facts.host, "alpha");
    assert_true(section.facts.has_inode);
    assert_int_equal(section.facts.inode, 17);
    assert_string_equal(section.facts.redefine, "<domaincheckpoint/>");
    assert_int_equal(section.witness_count, 2);
    assert_int_equal(section.witnesses[1].offset, LIMITS_IMAGE - LIMITS_BLOCK);
    assert_int_equal(section.witnesses[1].id.bytes[15], 0x22);
    assert_int_equal(trust_section_format(&section, &bytes, NULL), 0);
    buf_put_u8(&bytes, 0);
    assert_string_equal((const char *)bytes.data, ordinary);

    section.facts.path[0] = (char)0xff; /* would be read as another */
    assert_int_equal(trust_section_format(&section, &bytes, NULL), -1);
}

static void each_member_must_be_there(void **state)
{
    static const char *const names[] = {
        "format",       "checkpoint", "bitmap",   "granularity", "size",      "path", "host",
        "image-format", "inode",      "redefine", "offset",      "witnesses", "id"};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        CLEANUP_FREE char *quoted = mem_printf("\"%s\":", names[i]);
        CLEANUP_FREE char *other = mem_printf("\"%s-\":", names[i]);
        CLEANUP_FREE char *text = with(quoted, other);
        CLEANUP_ERR struct err err = ERR_INIT;
        assert_int_equal(parse(text, &err), -1);
        assert_int_equal(err.kind, ERR_CORRUPT);
    }
}

static void values_have_limits(void **state)
{
    static const struct {
        const char *part;
        const char *other;
        bool good;
    } cases[] = {
        {"\"inode\":17", "\"inode\":null", true},
        {"\"inode\":17", "\"inode\":\"17\"", false},
        {"\"inode\":17", "\"inode\":-1", false},
        {"\"granularity\":65536", "\"granularity\":512", true},
        {"\"granularity\":65536", "\"granularity\":2147483648", true},
        {"\"granularity\":65536", "\"granularity\":256", false},
        {"\"granularity\":65536", "\"granularity\":4294967296", false},
        {"\"granularity\":65536", "\"granularity\":65537", false},
        {"\"granularity\":65536", "\"granularity\":0", false},
        {"\"size\":281474976710656", "\"size\":281474976710657", false},
        {"\"size\":281474976710656", "\"size\":281474976645121", true},
        {"\"size\":281474976710656", "\"size\":281474976645120", false}, /* the last is behind it */
        {"[" FIRST "," LAST "]", "[]", true},
        {"[" FIRST "," LAST "]", "{}", false},
        {"[" FIRST "," LAST "]", "[" FIRST "," FIRST "]", false},
        {"[" FIRST "," LAST "]", "[" LAST "," FIRST "]", false},
        {"\"offset\":0", "\"offset\":1", false},
        {"\"offset\":0", "\"offset\":65536", true},
        {"\"id\":\"1111", "\"id\":\"11", false},
        {"\"checkpoint\":\"vb-0", "\"checkpoint\":\"vb-g", false},
        {"\"checkpoint\":\"vb-0", "\"checkpoint\":\"vb-", false},
        {"\"checkpoint\":\"vb-0", "\"checkpoint\":\"vB-0", false},
        {"\"bitmap\":\"vb-0123456789abcdef-", "\"bitmap\":\"vb-0123456789abcdef0", false},
        {"\"bitmap\":\"vb-0123456789abcdef-0", "\"bitmap\":\"vb-0123456789abcdef-F", false},
        {"\"path\":\"/images/web.qcow2\"", "\"path\":\"\"", false},
        {"\"format\":1", "\"format\":2", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        CLEANUP_FREE char *text = with(cases[i].part, cases[i].other);
        if ((parse(text, NULL) == 0) != cases[i].good)
            fail_msg("%s: %s", cases[i].other, cases[i].good ? "refused" : "taken");
    }
}

static char *with_witnesses(unsigned count)
{
    CLEANUP_BUF struct buf list = {0};

    for (unsigned i = 0; i < count; i++)
        buf_printf(&list, "%s{\"offset\":%llu,\"id\":\"11111111111111111111111111111111\"}",
                   i ? "," : "", (unsigned long long)i * LIMITS_BLOCK);
    buf_put_u8(&list, 0);
    return with(FIRST "," LAST, (const char *)list.data);
}

static void there_are_so_many_witnesses(void **state)
{
    CLEANUP_FREE char *most = with_witnesses(LIMITS_WITNESSES);
    CLEANUP_FREE char *more = with_witnesses(LIMITS_WITNESSES + 1);

    (void)state;
    assert_int_equal(parse(most, NULL), 0);
    assert_int_equal(parse(more, NULL), -1);
}

static void a_section_is_not_too_long(void **state)
{
    (void)state;
    for (unsigned more = 0; more < 2; more++) {
        size_t len = LIMITS_TRUST - (sizeof(ordinary) - 1) + strlen("alpha") + more;
        CLEANUP_FREE char *host = mem_alloc(len + 1);
        memset(host, 'h', len);
        CLEANUP_FREE char *text = with("alpha", host);
        assert_int_equal(parse(text, NULL), more ? -1 : 0);
    }
}

/* Of what a parser has made, no other length is taken, and no byte is believed. */
static void flat_facts_are_checked(void **state)
{
    CLEANUP_TRUST_SECTION struct trust_section section = {0};
    CLEANUP_BUF struct buf flat = {0};

    (void)state;
    assert_int_equal(trust_section_parse(ordinary, strlen(ordinary), &section, NULL), 0);
    trust_section_flatten(&section, &flat);
    for (size_t len = 0; len <= flat.len + 1; len++) {
        CLEANUP_TRUST_SECTION struct trust_section taken = {0};
        uint8_t *exact = mem_alloc(len + 1);
        memcpy(exact, flat.data, len < flat.len ? len : flat.len);
        assert_int_equal(trust_section_take(exact, len, &taken, NULL), len == flat.len ? 0 : -1);
        free(exact);
    }
    for (size_t i = 0; i < flat.len; i++) {
        CLEANUP_TRUST_SECTION struct trust_section taken = {0};
        CLEANUP_BUF struct buf text = {0};
        flat.data[i] ^= 0x80;
        if (trust_section_take(flat.data, flat.len, &taken, NULL) == 0)
            assert_int_equal(trust_section_format(&taken, &text, NULL), 0);
        flat.data[i] ^= 0x80;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_as_documented),       cmocka_unit_test(each_member_must_be_there),
        cmocka_unit_test(values_have_limits),        cmocka_unit_test(there_are_so_many_witnesses),
        cmocka_unit_test(a_section_is_not_too_long), cmocka_unit_test(flat_facts_are_checked),
    };

    return cmocka_run_group_tests_name("repository trust section", tests, NULL, NULL);
}
