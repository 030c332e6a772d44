/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/digest.h"
#include "repository/format/slot.h"

static struct slot_id slot_id;

static void fill_ids(void)
{
    memset(slot_id.repository.bytes, 0x11, ID_SIZE);
    memset(slot_id.session.bytes, 0x22, ID_SIZE);
    memset(slot_id.guest.bytes, 0x33, ID_SIZE);
}

struct part {
    uint16_t type;
    uint32_t number;
    const char *text;
};

static const struct part small[] = {
    {SLOT_PACKS, 0, "abcd"},     {SLOT_DIGESTS, 0, ""},  {SLOT_INFO, 0, "{}"},
    {SLOT_MAP, 0, "map of vda"}, {SLOT_MANIFEST, 0, ""},
};
#define SMALL_COUNT (sizeof(small) / sizeof(small[0]))
#define SMALL_TABLE (SLOT_HEAD_SIZE + SMALL_COUNT * SLOT_ENTRY_SIZE)

static int make_of(const struct part *parts, size_t count, uint32_t flags, struct buf *ret,
                   struct err *err)
{
    CLEANUP_SLOT_WRITER struct slot_writer writer = {0};

    for (size_t i = 0; i < count; i++) {
        struct slot_added added = {parts[i].type, parts[i].number, parts[i].text,
                                   strlen(parts[i].text), false};
        assert_int_equal(slot_writer_add(&writer, &added, NULL), 0);
    }
    return slot_writer_finish(&writer, &slot_id, flags, ret, err);
}

static void make_small(struct buf *ret)
{
    CLEANUP_ERR struct err err = ERR_INIT;

    if (make_of(small, SMALL_COUNT, 0, ret, &err) < 0)
        fail_msg("%s", err.text);
}

static void correct_sha256(struct buf *bytes)
{
    digest_of(bytes->data, bytes->len - DIGEST_SIZE, bytes->data + bytes->len - DIGEST_SIZE);
}

static const uint8_t head[] = {
    'V',  'B',  'P',  'O',  'I',  'N',  'T',  '1',
    0,    0,    0,    3,    0,    0,    0,    0, /* magic, kind, flags */
    0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
    0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, /* repository */
    0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22,
    0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, /* session */
    0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33,
    0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33, /* guest */
};

static void a_tombstone_is_as_documented(void **state)
{
    static const uint8_t zeros[32];
    uint8_t bytes[SLOT_TOMBSTONE_SIZE], sha256[DIGEST_SIZE];
    CLEANUP_SLOT struct slot slot = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    slot_format_tombstone(SLOT_GIVEN_UP, &slot_id, bytes);
    assert_memory_equal(bytes, head, sizeof(head));
    assert_memory_equal(bytes + 64, zeros, 32);
    digest_of(bytes, 96, sha256);
    assert_memory_equal(bytes + 96, sha256, 32);
    for (int kind = SLOT_FENCED; kind <= SLOT_REMOVED; kind++) {
        slot_format_tombstone((enum slot_kind)kind, &slot_id, bytes);
        assert_int_equal(slot_parse(bytes, sizeof(bytes), &slot_id, &slot, NULL), 0);
        assert_int_equal(slot.kind, kind);
        assert_int_equal(slot_parse_start(bytes, sizeof(bytes), &slot_id, &slot, &err), -1);
        assert_non_null(strstr(err.text, "a tombstone that is too long"));
    }
}

static void a_point_is_as_documented(void **state)
{
    static const uint8_t entry[] = {
        0, 5, 0, 0, 0, 0, 0, 0,  /* type, codec, seal, number */
        0, 0, 0, 0, 0, 0, 0, 10, /* stored */
        0, 0, 0, 0, 0, 0, 0, 10, /* raw */
    };
    CLEANUP_BUF struct buf bytes = {0};
    uint8_t sha256[DIGEST_SIZE];

    (void)state;
    make_small(&bytes);
    assert_int_equal(bytes.len, SMALL_TABLE + 16 + 32);
    assert_memory_equal(bytes.data + 16, head + 16, 48);
    assert_int_equal(get_be32(bytes.data + 8), 1);
    assert_int_equal(get_be32(bytes.data + 64), SMALL_COUNT);
    const uint8_t *map = bytes.data + 96 + 3 * 32;
    assert_memory_equal(map, entry, sizeof(entry));
    digest_of("map of vda", 10, sha256);
    assert_memory_equal(map + 24, sha256, 8);
    assert_memory_equal(bytes.data + SMALL_TABLE, "abcd{}map of vda", 16);
    digest_of(bytes.data, bytes.len - 32, sha256);
    assert_memory_equal(bytes.data + bytes.len - 32, sha256, 32);
}

static void sections_come_back(void **state)
{
    static const struct part parts[] = {
        {SLOT_PACKS, 0, "abcd"},        {SLOT_DIGESTS, 0, "d"},
        {SLOT_INFO, 0, "{}"},           {SLOT_MAP, 0, "0"},
        {SLOT_MAP, 1, "one"},           {SLOT_MAP, 1023, "last"},
        {SLOT_MAP, SLOT_MEMORY, "mem"}, {SLOT_TRUST, 1, "t"},
        {SLOT_MANIFEST, 0, "<m/>"},     {SLOT_SMALL, 0, "s"},
        {0x8000, 7, "skipped"},         {0xffff, 0, ""},
    };
    CLEANUP_BUF struct buf bytes = {0};
    CLEANUP_SLOT struct slot slot = {0};

    (void)state;
    assert_int_equal(make_of(parts, 12, 0, &bytes, NULL), 0);
    assert_int_equal(slot_parse(bytes.data, bytes.len, &slot_id, &slot, NULL), 0);
    assert_int_equal(slot.kind, SLOT_POINT);
    assert_int_equal(slot.size, bytes.len);
    for (size_t i = 0; i < 12; i++) {
        const struct slot_section *section = slot_find(&slot, parts[i].type, parts[i].number);
        CLEANUP_SLOT_CONTENT struct slot_content content = {0};
        assert_non_null(section);
        assert_int_equal(
            slot_open_section(section, bytes.data + section->offset, 16, &content, NULL), 0);
        assert_int_equal(content.len, strlen(parts[i].text));
        assert_memory_equal(content.data, parts[i].text, content.len);
    }
    assert_null(slot_find(&slot, SLOT_MAP, 2));
    assert_null(slot_find(&slot, SLOT_TRUST, 0));
}

static void what_compresses_is_compressed(void **state)
{
    CLEANUP_SLOT_WRITER struct slot_writer writer = {0};
    CLEANUP_FREE char *text = mem_alloc(100000);
    struct slot_added added[] = {
        {SLOT_PACKS, 0, "abcd", 4, false},
        {SLOT_DIGESTS, 0, text, 100000, true},
        {SLOT_INFO, 0, "{}", 2, true}, /* would be longer */
        {SLOT_MANIFEST, 0, "", 0, true},
    };
    CLEANUP_BUF struct buf bytes = {0};
    CLEANUP_SLOT struct slot slot = {0};
    CLEANUP_SLOT_CONTENT struct slot_content content = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    memset(text, 'x', 100000);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(slot_writer_add(&writer, &added[i], NULL), 0);
    if (slot_writer_finish(&writer, &slot_id, 0, &bytes, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(bytes.len < 1000);
    assert_int_equal(slot_parse(bytes.data, bytes.len, &slot_id, &slot, NULL), 0);
    assert_true(slot.sections[1].compressed);
    assert_false(slot.sections[2].compressed);
    const struct slot_section *digests = slot_find(&slot, SLOT_DIGESTS, 0);
    const uint8_t *stored = bytes.data + digests->offset;
    assert_int_equal(slot_open_section(digests, stored, 99999, &content, &err), -1);
    assert_non_null(strstr(err.text, "section 3 has 100000 bytes, and may have 99999"));
    assert_int_equal(slot_open_section(digests, stored, 100000, &content, NULL), 0);
    assert_int_equal(content.len, 100000);
    assert_memory_equal(content.data, text, 100000);

    /* The table says more or less than the frame has, and the check is right. */
    struct slot_section other = *digests;
    slot_content_clear(&content);
    for (int more = -1; more <= 1; more += 2) {
        other.raw_len = 100000 + (uint64_t)(int64_t)more;
        assert_int_equal(slot_open_section(&other, stored, 200000, &content, &err), -1);
        assert_int_equal(err.kind, ERR_CORRUPT);
    }
    bytes.data[digests->offset + 9] ^= 1;
    assert_int_equal(slot_open_section(digests, stored, 100000, &content, &err), -1);
    assert_non_null(strstr(err.text, "section 3 is not what was written"));
}

static void a_flipped_bit_makes_a_slot_unreadable(void **state)
{
    CLEANUP_BUF struct buf bytes = {0};

    (void)state;
    make_small(&bytes);
    for (int tombstone = 0; tombstone < 2; tombstone++) {
        if (tombstone) {
            slot_format_tombstone(SLOT_REMOVED, &slot_id, bytes.data);
            bytes.len = SLOT_TOMBSTONE_SIZE;
        }
        for (size_t bit = 0; bit < bytes.len * 8; bit++) {
            CLEANUP_SLOT struct slot slot = {0};
            bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (slot_parse(bytes.data, bytes.len, &slot_id, &slot, NULL) == 0)
                fail_msg("bit %zu was not found", bit);
            bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

/* Even if whoever flips it corrects the SHA-256 of the whole: no section but by its check. */
static void a_section_is_what_the_table_says(void **state)
{
    CLEANUP_BUF struct buf bytes = {0};

    (void)state;
    make_small(&bytes);
    for (size_t at = SMALL_TABLE; at < bytes.len - DIGEST_SIZE; at++) {
        CLEANUP_SLOT struct slot slot = {0};
        bytes.data[at] ^= 1;
        correct_sha256(&bytes);
        assert_int_equal(slot_parse(bytes.data, bytes.len, &slot_id, &slot, NULL), -1);
        bytes.data[at] ^= 1;
    }
}

static void every_other_length_is_unreadable(void **state)
{
    CLEANUP_BUF struct buf bytes = {0};
    CLEANUP_SLOT struct slot slot = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    make_small(&bytes);
    for (size_t len = 0; len <= bytes.len + 1; len++) {
        CLEANUP_FREE uint8_t *copy = mem_alloc(len + 1);
        memcpy(copy, bytes.data, len < bytes.len ? len : bytes.len);
        if (len > DIGEST_SIZE)
            digest_of(copy, len - DIGEST_SIZE, copy + len - DIGEST_SIZE);
        if (len != bytes.len)
            assert_int_equal(slot_parse(copy, len, &slot_id, &slot, &err), -1);
        if (len != bytes.len && len >= SMALL_TABLE + DIGEST_SIZE)
            assert_non_null(strstr(err.text, "bytes, and its sections"));
        if (len < SMALL_TABLE)
            assert_int_equal(slot_parse_start(bytes.data, len, &slot_id, &slot, NULL), -1);
    }
    assert_int_equal(slot_parse_start(bytes.data, SMALL_TABLE, &slot_id, &slot, NULL), 0);
    assert_int_equal(slot.size, bytes.len);
}

#define ENTRY(i) (SLOT_HEAD_SIZE + (i) * SLOT_ENTRY_SIZE)

/* One byte of a small point is another, and its SHA-256 is right. */
static void what_a_point_cannot_say_is_refused(void **state)
{
    static const struct {
        size_t at;
        uint8_t byte;
        enum err_kind kind;
        const char *says;
    } rows[] = {
        {7, '2', ERR_CORRUPT, "begin"},
        {11, 0, ERR_CORRUPT, "kind"},
        {11, 5, ERR_CORRUPT, "kind"},
        {11, 2, ERR_CORRUPT, "tombstone"},
        {15, 1, ERR_UNSUPPORTED, "encrypted repositories are not supported by this version"},
        {15, 2, ERR_CORRUPT, "cipher"},
        {15, 16, ERR_UNSUPPORTED, "unknown flags: 10"},
        {15, 4, ERR_CORRUPT, "cannot have a section MANIFEST"},
        {16, 0x10, ERR_CORRUPT, "another repository"},
        {32, 0x10, ERR_CORRUPT, "another point"},
        {63, 0x10, ERR_CORRUPT, "another point"},
        {67, 0, ERR_CORRUPT, "0 sections"},
        {66, 8, ERR_CORRUPT, "too short"},
        {66, 9, ERR_CORRUPT, "2309 sections"},
        {68, 1, ERR_CORRUPT, "reserved"},
        {95, 1, ERR_CORRUPT, "reserved"},
        {ENTRY(0) + 1, 0, ERR_UNSUPPORTED, "unknown type"},
        {ENTRY(4) + 1, 9, ERR_UNSUPPORTED, "unknown type"},
        {ENTRY(4) + 0, 0x7f, ERR_UNSUPPORTED, "unknown type"},
        {ENTRY(4) + 0, 0x80, ERR_CORRUPT, "no section MANIFEST"},
        {ENTRY(0) + 1, 2, ERR_CORRUPT, "cannot have a section BOX"},
        {ENTRY(1) + 1, 4, ERR_CORRUPT, "not in its place"},
        {ENTRY(3) + 1, 4, ERR_CORRUPT, "not in its place"},
        {ENTRY(0) + 2, 2, ERR_CORRUPT, "unknown codec"},
        {ENTRY(0) + 3, 1, ERR_CORRUPT, "sealed"},
        {ENTRY(0) + 7, 1, ERR_CORRUPT, "cannot have number 1"},
        {ENTRY(3) + 6, 4, ERR_CORRUPT, "cannot have number 1024"},
        {ENTRY(3) + 4, 0xff, ERR_CORRUPT, "cannot have number"},
        {ENTRY(3) + 15, 9, ERR_CORRUPT, "cannot be stored"},
        {ENTRY(3) + 8, 0xff, ERR_CORRUPT, "cannot be stored"},
        {ENTRY(3) + 2, 1, ERR_CORRUPT, "cannot be stored"},
        {ENTRY(1) + 2, 1, ERR_CORRUPT, "cannot be stored"},
        {ENTRY(0) + 24, 0, ERR_CORRUPT, "not what was written"},
        {ENTRY(0) + 31, 0, ERR_CORRUPT, "not what was written"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP_BUF struct buf bytes = {0};
        CLEANUP_SLOT struct slot slot = {0};
        CLEANUP_ERR struct err err = ERR_INIT;
        make_small(&bytes);
        bytes.data[rows[i].at] = rows[i].byte;
        correct_sha256(&bytes);
        if (slot_parse(bytes.data, bytes.len, &slot_id, &slot, &err) == 0)
            fail_msg("row %zu was taken", i);
        if (err.kind != rows[i].kind || !strstr(err.text, rows[i].says))
            fail_msg("row %zu: %s", i, err.text);
    }
}

static void a_tombstone_says_nothing_else(void **state)
{
    static const struct {
        size_t at;
        uint8_t byte;
    } rows[] = {{11, 1}, {11, 5}, {11, 0}, {15, 8}, {67, 1}, {70, 1}, {90, 1}};
    CLEANUP_SLOT struct slot slot = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t bytes[SLOT_TOMBSTONE_SIZE];
        slot_format_tombstone(SLOT_REMOVED, &slot_id, bytes);
        bytes[rows[i].at] = rows[i].byte;
        digest_of(bytes, 96, bytes + 96);
        if (slot_parse(bytes, sizeof(bytes), &slot_id, &slot, NULL) == 0)
            fail_msg("row %zu was taken", i);
    }
    for (size_t len = SLOT_HEAD_SIZE; len < 2 * SLOT_TOMBSTONE_SIZE; len++) {
        uint8_t bytes[2 * SLOT_TOMBSTONE_SIZE] = {0};
        slot_format_tombstone(SLOT_REMOVED, &slot_id, bytes);
        digest_of(bytes, len - DIGEST_SIZE, bytes + len - DIGEST_SIZE);
        assert_int_equal(slot_parse(bytes, len, &slot_id, &slot, NULL),
                         len == SLOT_TOMBSTONE_SIZE ? 0 : -1);
    }
}

/* Lengths in the table up to each section's bound, and one more. */
static void sections_have_most_bytes(void **state)
{
    static const struct {
        size_t entry;
        uint64_t max;
    } rows[] = {
        {0, 18087940}, {1, 184549376}, {2, 1 << 20}, {3, (UINT64_C(1) << 32) - 1}, {4, 4 << 20},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP_BUF struct buf bytes = {0};
        CLEANUP_SLOT struct slot slot = {0};
        CLEANUP_ERR struct err err = ERR_INIT;
        make_small(&bytes);
        for (uint64_t more = 0; more < 2; more++) {
            uint8_t *entry = bytes.data + ENTRY(rows[i].entry);
            set_be64(entry + 8, rows[i].max + more);
            set_be64(entry + 16, rows[i].max + more);
            if (slot_parse_start(bytes.data, bytes.len, &slot_id, &slot, &err) != (more ? -1 : 0))
                fail_msg("row %zu", i);
            slot_clear(&slot);
        }
        assert_non_null(strstr(err.text, "may have"));
    }
}

static void a_point_that_nobody_can_read_is_not_written(void **state)
{
    CLEANUP_SLOT_WRITER struct slot_writer writer = {0};
    const struct slot_added map = {SLOT_MAP, 0, "map", 3, true}, next = {SLOT_MAP, 1, "m", 1, true};
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(slot_writer_add(&writer, &map, NULL), 0);
    writer.sections[0].raw_len = LIMITS_MAP - (UINT64_C(3) << 20); /* as if it had so many */
    assert_int_equal(slot_writer_add(&writer, &next, NULL), 0);
    writer.sections[1].raw_len = UINT64_C(1) << 20;
    assert_int_equal(slot_writer_add(&writer, &next, &err), -1);
    assert_int_equal(err.kind, ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "exclude a disk"));
}

/* A length that would come out right only beyond 2^64. */
static void lengths_do_not_wrap(void **state)
{
    static const struct part parts[] = {
        {SLOT_PACKS, 0, ""},    {SLOT_DIGESTS, 0, ""}, {SLOT_INFO, 0, ""},
        {SLOT_MANIFEST, 0, ""}, {0x8000, 0, ""},
    };
    CLEANUP_BUF struct buf bytes = {0};
    CLEANUP_SLOT struct slot slot = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(make_of(parts, 5, 0, &bytes, NULL), 0);
    for (uint64_t back = 0; back < 400; back++) {
        set_be64(bytes.data + ENTRY(4) + 8, UINT64_MAX - back);
        set_be64(bytes.data + ENTRY(4) + 16, UINT64_MAX - back);
        if (slot_parse_start(bytes.data, bytes.len, &slot_id, &slot, &err) == 0)
            assert_true(slot.size > bytes.len);
        slot_clear(&slot);
    }
}

static void points_have_the_sections_of_their_flags(void **state)
{
    static const struct {
        uint32_t flags;
        const char *says; /* NULL: good */
        struct part parts[6];
    } rows[] = {
        {FLAG_PARTIAL, NULL, {{1, 0, "p"}, {3, 0, ""}, {4, 0, "i"}, {5, 3, "m"}}},
        {FLAG_DERIVED, NULL, {{1, 0, "p"}, {3, 0, ""}, {4, 0, "i"}, {7, 0, "m"}, {8, 0, "s"}}},
        {FLAG_DERIVED, "TRUST", {{1, 0, "p"}, {3, 0, ""}, {4, 0, "i"}, {6, 0, "t"}, {7, 0, "m"}}},
        {FLAG_PARTIAL, "TRUST", {{1, 0, "p"}, {3, 0, ""}, {4, 0, "i"}, {6, 0, "t"}}},
        {FLAG_PARTIAL, "SMALL", {{1, 0, "p"}, {3, 0, ""}, {4, 0, "i"}, {8, 0, "t"}}},
        {0, "no section MANIFEST", {{1, 0, "p"}, {3, 0, ""}, {4, 0, "i"}, {8, 0, "t"}}},
        {0, "no section PACKS", {{3, 0, ""}, {4, 0, "i"}, {7, 0, "t"}}},
        {0, "no section DIGESTS", {{1, 0, "p"}, {4, 0, "i"}, {7, 0, "t"}}},
        {0, "no section INFO", {{1, 0, "p"}, {3, 0, "i"}, {7, 0, "t"}}},
        {0, "not in its place", {{1, 0, "p"}, {3, 0, ""}, {4, 0, "i"}, {4, 0, "i"}, {7, 0, "m"}}},
        {0, "not in its place", {{1, 0, "p"}, {3, 0, ""}, {4, 0, "i"}, {5, 2, "i"}, {5, 1, "m"}}},
        {0, "TRUST cannot have", {{1, 0, "p"}, {3, 0, ""}, {4, 0, "i"}, {6, 1024, "i"}}},
        {0, "TRUST cannot have", {{1, 0, "p"}, {3, 0, ""}, {4, 0, "i"}, {6, SLOT_MEMORY, "i"}}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP_BUF struct buf bytes = {0};
        CLEANUP_ERR struct err err = ERR_INIT;
        size_t count = 0;
        while (rows[i].parts[count].type)
            count++;
        int rc = make_of(rows[i].parts, count, rows[i].flags, &bytes, &err);
        if (rows[i].says ? rc == 0 || !strstr(err.text, rows[i].says) : rc < 0)
            fail_msg("row %zu: %s", i, err.text ? err.text : "was taken");
    }
}

static void compressed_sections_are_never_packs(void **state)
{
    CLEANUP_BUF struct buf bytes = {0};
    CLEANUP_SLOT struct slot slot = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    make_small(&bytes);
    bytes.data[ENTRY(0) + 2] = 1;
    bytes.data[ENTRY(0) + 23] = 5;
    assert_int_equal(slot_parse_start(bytes.data, bytes.len, &slot_id, &slot, &err), -1);
    assert_non_null(strstr(err.text, "PACKS is compressed"));
    bytes.data[ENTRY(0) + 15] = 0; /* five bytes are compressed to none */
    assert_int_equal(slot_parse_start(bytes.data, bytes.len, &slot_id, &slot, &err), -1);
    assert_non_null(strstr(err.text, "cannot be stored as 0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tombstone_is_as_documented),
        cmocka_unit_test(a_point_is_as_documented),
        cmocka_unit_test(sections_come_back),
        cmocka_unit_test(what_compresses_is_compressed),
        cmocka_unit_test(a_flipped_bit_makes_a_slot_unreadable),
        cmocka_unit_test(a_section_is_what_the_table_says),
        cmocka_unit_test(every_other_length_is_unreadable),
        cmocka_unit_test(what_a_point_cannot_say_is_refused),
        cmocka_unit_test(a_tombstone_says_nothing_else),
        cmocka_unit_test(sections_have_most_bytes),
        cmocka_unit_test(a_point_that_nobody_can_read_is_not_written),
        cmocka_unit_test(lengths_do_not_wrap),
        cmocka_unit_test(points_have_the_sections_of_their_flags),
        cmocka_unit_test(compressed_sections_are_never_packs),
    };

    fill_ids();
    return cmocka_run_group_tests_name("repository slot", tests, NULL, NULL);
}
