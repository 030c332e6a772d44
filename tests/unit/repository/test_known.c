/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../chance.h"
#include "base/buf.h"
#include "repository/known.h"

/* As random as real ones. */
static struct id id_of(uint64_t number)
{
    uint64_t state = number;
    struct id id;

    set_be64(id.bytes, chance_next(&state));
    set_be64(id.bytes + 8, chance_next(&state));
    return id;
}

/* A pack of the blocks from `first` on, in frames of `frame` blocks. */
static void add_pack(struct known *known, uint64_t first, uint32_t count, uint32_t frame)
{
    struct pack_index index = {0};

    for (uint32_t done = 0; done < count; done += frame) {
        struct id ids[LIMITS_FRAME_BLOCKS_LZMA];
        uint32_t blocks = count - done < frame ? count - done : frame;
        struct pack_index_added added = {10, blocks * LIMITS_BLOCK, CODEC_LZMA, blocks, ids};
        for (uint32_t i = 0; i < blocks; i++)
            ids[i] = id_of(first + done + i);
        assert_int_equal(pack_index_add(&index, &added, NULL), 0);
    }
    known_add_pack(known, &index);
    assert_null(index.ids);
}

static void assert_at(const struct known *known, uint64_t number, uint32_t pack, uint32_t block)
{
    struct known_block at = {0};
    struct id id = id_of(number);

    assert_true(known_find(known, &id, &at));
    assert_int_equal(at.pack, pack);
    assert_int_equal(at.block, block);
    assert_true(known_is(known, &at, &id));
}

static void assert_unknown(const struct known *known, uint64_t number)
{
    struct known_block at = {0};
    struct id id = id_of(number);

    assert_false(known_find(known, &id, &at));
}

static void test_what_packs_have_is_known(void **state)
{
    CLEANUP(known_freep) struct known *known = known_new(KNOWN_MEMORY);

    (void)state;
    assert_unknown(known, 0);
    add_pack(known, 0, 5000, 16);
    add_pack(known, 0, 0, 1);
    add_pack(known, 5000, LIMITS_PACK_BLOCKS, 64);
    assert_int_equal(known_pack_count(known), 3);
    for (uint32_t i = 0; i < 5000; i++)
        assert_at(known, i, 0, i);
    for (uint32_t i = 0; i < LIMITS_PACK_BLOCKS; i++)
        assert_at(known, 5000 + i, 2, i);
    assert_unknown(known, 5000 + LIMITS_PACK_BLOCKS);
}

/* The first of them stays the place where it is found; the others are still it. */
static void test_a_block_that_two_packs_have(void **state)
{
    CLEANUP(known_freep) struct known *known = known_new(KNOWN_MEMORY);
    struct id id = id_of(3);

    (void)state;
    add_pack(known, 0, 10, 16);
    add_pack(known, 3, 10, 16);
    assert_at(known, 3, 0, 3);
    assert_true(known_is(known, &(struct known_block){1, 0}, &id));
    assert_false(known_is(known, &(struct known_block){1, 1}, &id));
    assert_false(known_is(known, &(struct known_block){1, 10}, &id));
    assert_false(known_is(known, &(struct known_block){7, 0}, &id));
    assert_false(known_is(known, &(struct known_block){UINT32_MAX, 0}, &id));
}

static bool continues(const struct known *known, uint32_t pack, uint32_t block)
{
    return known_continues(known, &(struct known_block){pack, block},
                           &(struct known_block){pack, block + 1});
}

static void test_blocks_continue_within_a_frame(void **state)
{
    CLEANUP(known_freep) struct known *known = known_new(KNOWN_MEMORY);
    struct id ids[40];

    (void)state;
    add_pack(known, 0, 48, 16);
    for (uint32_t i = 0; i < 40; i++)
        ids[i] = id_of(1000 + i);
    known_add_own(known, ids, 10);
    known_add_own(known, ids + 10, 30);
    for (uint32_t block = 0; block < 47; block++)
        assert_int_equal(continues(known, 0, block), block % 16 != 15);
    for (uint32_t block = 0; block < 39; block++)
        assert_int_equal(continues(known, 1, block), block != 9);
    assert_false(known_continues(known, &(struct known_block){0, 3}, &(struct known_block){0, 5}));
    assert_false(known_continues(known, &(struct known_block){0, 3}, &(struct known_block){1, 4}));
}

static void test_blocks_of_the_session_are_known_by_their_number(void **state)
{
    CLEANUP(known_freep) struct known *known = known_new(KNOWN_MEMORY);
    struct id ids[48];
    uint32_t done = 0;

    (void)state;
    add_pack(known, 0, 10, 16);
    while (done < 3 * KNOWN_OWN_BLOCKS) { /* 48 does not divide KNOWN_OWN_BLOCKS */
        for (uint32_t i = 0; i < 48; i++)
            ids[i] = id_of(100 + done + i);
        struct known_block first = known_add_own(known, ids, 48);
        assert_int_equal(first.pack, 1 + done / KNOWN_OWN_BLOCKS);
        assert_int_equal(first.block, done % KNOWN_OWN_BLOCKS);
        done += 48;
    }
    assert_int_equal(known_own_count(known), done);
    for (uint32_t i = 0; i < done; i++)
        assert_at(known, 100 + i, 1 + i / KNOWN_OWN_BLOCKS, i % KNOWN_OWN_BLOCKS);
}

/* What does not fit is not known, and what does stays so. */
static void test_the_set_is_bounded(void **state)
{
    size_t memory = (size_t)4 << 20;
    CLEANUP(known_freep) struct known *known = known_new(memory);
    uint32_t packs = 0;
    struct known_block at;

    (void)state;
    while (known_fits(known, 1000)) {
        add_pack(known, (uint64_t)packs * 1000, 1000, 16);
        packs++;
    }
    /* 16 bytes for an id, and 12 to 24 for the table, of which there are two when it grows */
    assert_in_range(packs * 1000, memory / (16 + 24 + 12), memory / (16 + 12));
    add_pack(known, (uint64_t)packs * 1000, 1000, 16);
    assert_int_equal(known_pack_count(known), packs + 1);
    assert_unknown(known, (uint64_t)packs * 1000);
    for (uint32_t i = 0; i < packs * 1000; i++)
        assert_at(known, i, i / 1000, i % 1000);

    struct id id = id_of(UINT32_MAX);
    known_add_own(known, &id, 1);
    assert_int_equal(known_own_count(known), 1);
    assert_false(known_find(known, &id, &at));
}

/* A table that is made large at once has no old one beside it. */
static void test_what_is_expected_fits(void **state)
{
    size_t memory = (size_t)4 << 20;
    CLEANUP(known_freep) struct known *known = known_new(memory);
    uint64_t blocks = 0;

    (void)state;
    while (known_fits(known, blocks + 1000))
        blocks += 1000;
    assert_in_range(blocks, memory / (16 + 24), memory / (16 + 12));
    known_expect(known, blocks);
    for (uint64_t done = 0; done < blocks; done += 1000)
        add_pack(known, done, 1000, 16);
    for (uint64_t i = 0; i < blocks; i++)
        assert_at(known, i, (uint32_t)(i / 1000), (uint32_t)(i % 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_packs_have_is_known),
        cmocka_unit_test(test_a_block_that_two_packs_have),
        cmocka_unit_test(test_blocks_continue_within_a_frame),
        cmocka_unit_test(test_blocks_of_the_session_are_known_by_their_number),
        cmocka_unit_test(test_the_set_is_bounded),
        cmocka_unit_test(test_what_is_expected_fits),
    };

    return cmocka_run_group_tests_name("repository known", tests, NULL, NULL);
}
