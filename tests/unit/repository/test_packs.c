/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "one_object.h"
#include "repository/format/packs.h"

#define NAME "p/default/guest/session"

static struct id id_filled(uint8_t byte)
{
    struct id id;

    memset(id.bytes, byte, ID_SIZE);
    return id;
}

static void add(struct packs *packs, uint8_t session, uint32_t number)
{
    struct id id = id_filled(session);

    assert_int_equal(packs_add(packs, &id, number, NULL), 0);
}

static void make_three(struct packs *packs)
{
    add(packs, 1, 0);
    add(packs, 1, 7);
    add(packs, 2, LIMITS_PACK_NUMBER - 1);
}

static const uint8_t three[] = {
    0, 0,  0,   2,                                                   /* sessions */
    1, 1,  1,   1,   1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 2, /* the first, its packs */
    0, 0,  0,   0,   0, 0, 0, 7,                                     /* */
    2, 2,  2,   2,   2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 0, 0, 0, 1, /* the second */
    0, 15, 255, 255,
};

static void a_list_is_as_documented(void **state)
{
    CLEANUP_PACKS struct packs packs = {0}, found = {0};
    CLEANUP_BUF struct buf bytes = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    uint32_t place = 0, number = 0;
    struct id session, one = id_filled(1), two = id_filled(2), three_id = id_filled(3);

    (void)state;
    assert_false(packs_find(&packs, &one, 0, &place));
    make_three(&packs);
    packs_format(&packs, &bytes);
    assert_int_equal(bytes.len, sizeof(three));
    assert_memory_equal(bytes.data, three, sizeof(three));
    if (packs_parse(three, sizeof(three), &found, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(found.count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        packs_at(&found, i, &session, &number);
        assert_int_equal(session.bytes[0], i < 2 ? 1 : 2);
        assert_int_equal(number, i == 0 ? 0 : i == 1 ? 7 : LIMITS_PACK_NUMBER - 1);
        assert_true(packs_find(&found, &session, number, &place));
        assert_int_equal(place, i);
    }
    assert_false(packs_find(&found, &one, 1, &place));
    assert_false(packs_find(&found, &two, 7, &place));
    assert_false(packs_find(&found, &three_id, 0, &place));
}

static void no_packs_are_a_list_too(void **state)
{
    static const uint8_t none[4];
    CLEANUP_PACKS struct packs packs = {0}, found = {0};
    CLEANUP_BUF struct buf bytes = {0};

    (void)state;
    packs_format(&packs, &bytes);
    assert_int_equal(bytes.len, 4);
    assert_memory_equal(bytes.data, none, 4);
    assert_int_equal(packs_parse(none, 4, &found, NULL), 0);
    assert_int_equal(found.count, 0);
}

static void what_a_list_cannot_say_is_corrupt(void **state)
{
    static const struct {
        size_t at;
        uint8_t byte;
        const char *says;
    } rows[] = {
        {3, 1, "too long"},
        {3, 3, "cannot have 3 sessions"},
        {1, 1, "cannot have 65538 sessions"},
        {0, 255, "cannot have"},
        {4, 3, "a session is not in its place"},
        {23, 0, "cannot have 0 packs"},
        {23, 1, "a session is not in its place"},
        {23, 3, "pack"},
        {20, 255, "cannot have"},
        {27, 7, "pack 7 is not in its place"},
        {27, 8, "pack 7 is not in its place"},
        {29, 16, "pack 1048583 is not in its place"},
        {53, 16, "pack 1114111 is not in its place"},
        {51, 2, "cannot have 2 packs"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP_PACKS struct packs packs = {0};
        CLEANUP_ERR struct err err = ERR_INIT;
        uint8_t bytes[sizeof(three)];
        memcpy(bytes, three, sizeof(three));
        bytes[rows[i].at] = rows[i].byte;
        if (packs_parse(bytes, sizeof(bytes), &packs, &err) == 0)
            fail_msg("row %zu was taken", i);
        if (err.kind != ERR_CORRUPT || !strstr(err.text, rows[i].says))
            fail_msg("row %zu: %s", i, err.text);
    }
    for (size_t len = 0; len < sizeof(three); len++) {
        CLEANUP_PACKS struct packs packs = {0};
        assert_int_equal(packs_parse(three, len, &packs, NULL), -1);
    }
}

/* A session that comes again, and one that comes after a greater one. */
static void sessions_are_ascending(void **state)
{
    (void)state;
    for (uint8_t second = 4; second <= 6; second++) {
        CLEANUP_PACKS struct packs packs = {0};
        CLEANUP_BUF struct buf bytes = {0};
        struct id ids[] = {id_filled(5), id_filled(second)};
        buf_put_be32(&bytes, 2);
        for (int i = 0; i < 2; i++) {
            buf_append(&bytes, ids[i].bytes, ID_SIZE);
            buf_put_be32(&bytes, 1);
            buf_put_be32(&bytes, 0);
        }
        assert_int_equal(packs_parse(bytes.data, bytes.len, &packs, NULL), second > 5 ? 0 : -1);
    }
}

static void make_most(struct packs *packs, uint32_t sessions, uint32_t count)
{
    for (uint32_t i = 0; i < sessions; i++) {
        struct id id = {0};
        set_be32(id.bytes, i);
        for (uint32_t j = 0; j < count; j++)
            assert_int_equal(packs_add(packs, &id, j, NULL), 0);
    }
}

static void a_point_has_most_packs_and_sessions(void **state)
{
    CLEANUP_PACKS struct packs packs = {0}, found = {0};
    CLEANUP_BUF struct buf bytes = {0};
    struct id last = id_filled(255), before = {0};

    (void)state;
    set_be32(before.bytes, LIMITS_POINT_SESSIONS - 1);
    make_most(&packs, LIMITS_POINT_SESSIONS, LIMITS_POINT_PACKS / LIMITS_POINT_SESSIONS);
    assert_int_equal(packs_add(&packs, &before, 1000, NULL), -1);
    packs_format(&packs, &bytes);
    assert_int_equal(bytes.len, LIMITS_PACKS);
    assert_int_equal(bytes.len, 18087940);
    assert_int_equal(packs_parse(bytes.data, bytes.len, &found, NULL), 0);
    assert_int_equal(found.count, LIMITS_POINT_PACKS);
    /* One pack more of the last session. */
    buf_put_be32(&bytes, 1000);
    set_be32(bytes.data + bytes.len - 4 * 65 - 4, 65);
    packs_clear(&found);
    assert_int_equal(packs_parse(bytes.data, bytes.len, &found, NULL), -1);

    packs_clear(&packs);
    bytes.len = 0;
    make_most(&packs, LIMITS_POINT_SESSIONS, 1);
    assert_int_equal(packs_add(&packs, &last, 0, NULL), -1);
    assert_int_equal(packs_add(&packs, &before, 1, NULL), 0);
    packs_format(&packs, &bytes);
    assert_int_equal(packs_parse(bytes.data, bytes.len, &found, NULL), 0);
    set_be32(bytes.data, LIMITS_POINT_SESSIONS + 1);
    buf_append(&bytes, last.bytes, ID_SIZE);
    buf_put_be32(&bytes, 1);
    buf_put_be32(&bytes, 0);
    packs_clear(&found);
    assert_int_equal(packs_parse(bytes.data, bytes.len, &found, NULL), -1);
}

static void digests_are_as_documented(void **state)
{
    static const uint8_t numbers[] = {0, 0, 1, 0, 0, 0, 0, 64, 0, 0, 0, 2};
    const struct pack_digest digests[] = {{{0xaa}, 256, 64, 2}, {{0xbb}, 136, 64, 0}};
    CLEANUP_FREE struct pack_digest *found = NULL;
    CLEANUP_FREE uint32_t *counts = packs_block_counts(digests, 2);
    CLEANUP_BUF struct buf bytes = {0};

    (void)state;
    packs_format_digests(digests, 2, &bytes);
    assert_int_equal(bytes.len, 88);
    assert_int_equal(bytes.data[0], 0xaa);
    assert_memory_equal(bytes.data + 32, numbers, sizeof(numbers));
    assert_int_equal(packs_parse_digests(bytes.data, 88, 2, &found, NULL), 0);
    assert_memory_equal(found, digests, sizeof(digests));
    assert_int_equal(counts[0], 2);
    assert_int_equal(counts[1], 0);
    free(TAKE_PTR(found));
    for (size_t len = 0; len < 88; len++)
        assert_int_equal(packs_parse_digests(bytes.data, len, 2, &found, NULL), -1);
    assert_int_equal(packs_parse_digests(bytes.data, 88, 1, &found, NULL), -1);
    assert_int_equal(packs_parse_digests(bytes.data, 88, 3, &found, NULL), -1);
    bytes.data[44 + 35] = 135; /* too short for a pack */
    assert_int_equal(packs_parse_digests(bytes.data, 88, 2, &found, NULL), -1);
}

/* ---- of a slot ------------------------------------------------------------------------------- */

static void make_point(const struct slot_id *id, uint32_t maps, struct buf *ret)
{
    CLEANUP_SLOT_WRITER struct slot_writer writer = {0};
    CLEANUP_PACKS struct packs packs = {0};
    CLEANUP_BUF struct buf list = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    make_most(&packs, 1, 20000);
    packs_format(&packs, &list);
    struct slot_added added[] = {
        {SLOT_PACKS, 0, list.data, list.len, false},
        {SLOT_DIGESTS, 0, "", 0, false},
        {SLOT_INFO, 0, "", 0, false},
        {SLOT_MAP, 0, "", 0, false},
        {SLOT_MANIFEST, 0, "", 0, false},
    };
    for (size_t i = 0; i < 5; i++)
        for (uint32_t j = 0; j < (added[i].type == SLOT_MAP ? maps : 1); j++) {
            added[i].number = j;
            assert_int_equal(slot_writer_add(&writer, &added[i], NULL), 0);
        }
    if (slot_writer_finish(&writer, id, 0, ret, &err) < 0)
        fail_msg("%s", err.text);
}

static int read_packs(const struct slot_id *id, const struct buf *bytes, struct slot *slot,
                      struct packs *packs, unsigned *gets)
{
    struct one_object object = one_object_of(NAME, bytes->data, bytes->len);
    int rc = packs_read(&object.store, NAME, id, slot, packs, NULL);

    *gets = object.gets;
    return rc;
}

/* More than the first bytes hold, so that the rest has to be asked for. */
static void packs_are_read_without_the_rest(void **state)
{
    struct slot_id id = {id_filled(1), id_filled(2), id_filled(3)};
    unsigned gets = 0;

    (void)state;
    for (uint32_t maps = 0; maps <= 1024; maps += 512) {
        CLEANUP_BUF struct buf bytes = {0};
        CLEANUP_SLOT struct slot slot = {0};
        CLEANUP_PACKS struct packs packs = {0};
        make_point(&id, maps, &bytes);
        uint64_t size = bytes.len;
        memset(bytes.data + size - DIGEST_SIZE, 0, DIGEST_SIZE); /* is not read */
        assert_int_equal(read_packs(&id, &bytes, &slot, &packs, &gets), 0);
        assert_int_equal(gets, 2);
        assert_int_equal(slot.kind, SLOT_POINT);
        assert_int_equal(slot.size, size);
        assert_int_equal(packs.count, 20000);
        for (uint32_t i = 0; i < packs.count; i++)
            assert_int_equal(packs.numbers[i], i);
        slot_clear(&slot);
        packs_clear(&packs);
        bytes.data[SLOT_HEAD_SIZE + (4 + maps) * SLOT_ENTRY_SIZE + 50000] ^= 1;
        assert_int_equal(read_packs(&id, &bytes, &slot, &packs, &gets), -1);
        bytes.len = SLOT_HEAD_SIZE + (4 + maps) * SLOT_ENTRY_SIZE + 80023;
        assert_int_equal(read_packs(&id, &bytes, &slot, &packs, &gets), -1);
    }
}

static void tombstones_have_no_packs(void **state)
{
    struct slot_id id = {id_filled(1), id_filled(2), id_filled(3)};
    CLEANUP_SLOT struct slot slot = {0};
    CLEANUP_PACKS struct packs packs = {0};
    uint8_t tombstone[SLOT_TOMBSTONE_SIZE + 1] = {0};
    struct buf bytes = {tombstone, SLOT_TOMBSTONE_SIZE, 0};
    struct one_object object = one_object_of("other", tombstone, 0);
    CLEANUP_ERR struct err err = ERR_INIT;
    unsigned gets = 0;

    (void)state;
    slot_format_tombstone(SLOT_FENCED, &id, tombstone);
    assert_int_equal(read_packs(&id, &bytes, &slot, &packs, &gets), 0);
    assert_int_equal(slot.kind, SLOT_FENCED);
    assert_int_equal(packs.count, 0);
    bytes.len++;
    assert_int_equal(read_packs(&id, &bytes, &slot, &packs, &gets), -1);
    bytes.len -= 2;
    assert_int_equal(read_packs(&id, &bytes, &slot, &packs, &gets), -1);
    bytes.len++;
    id.guest.bytes[0] ^= 1;
    assert_int_equal(read_packs(&id, &bytes, &slot, &packs, &gets), -1);
    assert_int_equal(packs_read(&object.store, NAME, &id, &slot, &packs, &err), -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_as_documented),
        cmocka_unit_test(no_packs_are_a_list_too),
        cmocka_unit_test(what_a_list_cannot_say_is_corrupt),
        cmocka_unit_test(sessions_are_ascending),
        cmocka_unit_test(a_point_has_most_packs_and_sessions),
        cmocka_unit_test(digests_are_as_documented),
        cmocka_unit_test(packs_are_read_without_the_rest),
        cmocka_unit_test(tombstones_have_no_packs),
    };

    return cmocka_run_group_tests_name("repository packs", tests, NULL, NULL);
}
