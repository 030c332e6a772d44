/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A chunk is written as a text, a block for each word: "." zeros, a number a known block (ten to a
 * frame), a letter one that is not known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "repository/chunk_plan.h"

#define KNOWN_BLOCKS 200u
#define FRAME_BLOCKS 10u
#define NOWHERE UINT32_MAX

static struct id id_of(uint32_t number)
{
    struct id id = {0};

    set_be32(id.bytes, number * 2654435761u);
    set_be32(id.bytes + 12, number);
    return id;
}

/* Pack 0 has the known blocks, and pack 1 the same once more. */
static struct known *make_known(void)
{
    struct known *known = known_new(KNOWN_MEMORY);

    for (unsigned pack = 0; pack < 2; pack++) {
        struct pack_index index = {0};
        for (uint32_t done = 0; done < KNOWN_BLOCKS; done += FRAME_BLOCKS) {
            struct id ids[FRAME_BLOCKS];
            for (uint32_t i = 0; i < FRAME_BLOCKS; i++)
                ids[i] = id_of(done + i);
            struct pack_index_added added = {1, FRAME_BLOCKS * LIMITS_BLOCK, CODEC_ZSTD,
                                             FRAME_BLOCKS, ids};
            assert_int_equal(pack_index_add(&index, &added, NULL), 0);
        }
        known_add_pack(known, &index);
    }
    return known;
}

struct chunk {
    struct id ids[PLAN_BLOCKS];
    bool zeros[PLAN_BLOCKS];
    struct known_block expected[PLAN_BLOCKS];
    uint32_t count;
};

static void parse_chunk(const char *text, struct chunk *ret)
{
    memset(ret, 0, sizeof(*ret));
    for (const char *word = text; *word; word += strspn(word, " ")) {
        uint32_t i = ret->count++;
        ret->zeros[i] = *word == '.';
        ret->ids[i] = id_of(*word >= '0' && *word <= '9' ? (uint32_t)strtoul(word, NULL, 10)
                                                         : 1000u + (uint8_t)*word);
        ret->expected[i] = (struct known_block){.pack = NOWHERE};
        word += strcspn(word, " ");
    }
}

static struct chunk_plan plan_of(const struct known *known, const struct chunk *chunk)
{
    struct planned_input input = {chunk->ids, chunk->zeros, chunk->expected, chunk->count};
    struct chunk_plan plan;

    chunk_plan_make(known, &input, &plan);
    return plan;
}

/* As text: "." zeros, "=N" known and referred to, "N" in the frame, by its number there. */
static char *text_of(const struct chunk_plan *plan)
{
    CLEANUP_BUF struct buf text = {0};

    for (uint32_t i = 0; i < plan->count; i++) {
        const struct planned_block *block = &plan->blocks[i];
        if (block->kind == PLANNED_ZERO)
            buf_append_str(&text, " .");
        if (block->kind == PLANNED_KNOWN)
            buf_printf(&text, " =%u", block->at.block);
        if (block->kind == PLANNED_NEW)
            buf_printf(&text, " %u", block->number);
    }
    return buf_take_str(&text);
}

static void assert_plan(const char *chunk_text, const char *expected)
{
    CLEANUP(known_freep) struct known *known = make_known();
    struct chunk chunk;

    parse_chunk(chunk_text, &chunk);
    struct chunk_plan plan = plan_of(known, &chunk);
    CLEANUP_FREE char *text = text_of(&plan);
    assert_string_equal(text + 1, expected);
    for (uint32_t i = 0; i < plan.frame_count; i++) {
        assert_true(i == 0 || plan.frame[i] > plan.frame[i - 1]);
        assert_int_equal(id_compare(&plan.ids[i], &chunk.ids[plan.frame[i]]), 0);
    }
}

static void test_known_blocks_are_referred_to(void **state)
{
    (void)state;
    assert_plan("a b c", "0 1 2");
    assert_plan(". . .", ". . .");
    assert_plan("5 6 7 8", "=5 =6 =7 =8");
    assert_plan("a . 7 b . 3", "0 . =7 1 . =3");
}

static void test_a_block_is_in_the_frame_once(void **state)
{
    (void)state;
    assert_plan("a b a a . b c", "0 1 0 0 . 1 2");
}

/* Eight pieces are too many: what is alone in its piece is stored again. */
static void test_single_known_blocks_of_many_pieces_are_stored_again(void **state)
{
    (void)state;
    assert_plan("1 11 21 31 41 51 61", "=1 =11 =21 =31 =41 =51 =61");
    assert_plan("1 11 21 31 41 51 61 71", "0 1 2 3 4 5 6 7");
    assert_plan("1 11 21 31 41 51 61 62 71", "0 1 2 3 4 5 =61 =62 6");
    /* all new blocks are one piece */
    assert_plan("1 11 21 31 a 41 51 b", "=1 =11 =21 =31 0 =41 =51 1");
    assert_plan("1 11 21 31 a 41 51 b 61", "0 1 2 3 4 5 6 7 8");
    /* zeros are none, and do not end one */
    assert_plan(". 1 . 11 . 21 . 31 . 41 . 51 . 61", ". =1 . =11 . =21 . =31 . =41 . =51 . =61");
    assert_plan("1 . 2 11 21 31 41 51 61 71", "=1 . =2 0 1 2 3 4 5 6");
    /* a piece ends with the frame */
    assert_plan("8 9 19 20 39 40 59 60", "=8 =9 =19 =20 =39 =40 =59 =60");
    assert_plan("8 9 19 20 39 40 59 60 71", "=8 =9 0 1 2 3 4 5 6");
    /* what is stored again is in the frame once, too */
    assert_plan("1 11 21 31 41 51 61 71 1", "0 1 2 3 4 5 6 7 0");
}

static void test_the_same_known_block_again_is_no_further_piece(void **state)
{
    (void)state;
    assert_plan("5 5 5 5 5 5 5 5 5", "=5 =5 =5 =5 =5 =5 =5 =5 =5");
    assert_plan("5 5 11 21 31 41 51 61 71", "=5 =5 0 1 2 3 4 5 6");
}

/* However many pieces that makes. */
static void test_blocks_that_are_where_they_were_are_not_stored_again(void **state)
{
    CLEANUP(known_freep) struct known *known = make_known();
    struct chunk chunk;

    (void)state;
    parse_chunk("1 a 11 b 21 c 31 d 41 e 51 f 61 g 71 h", &chunk);
    for (uint32_t i = 0; i < chunk.count; i += 2)
        chunk.expected[i] = (struct known_block){1, 1 + 5 * i};
    chunk.expected[14].block++; /* this one has moved */
    struct chunk_plan plan = plan_of(known, &chunk);
    CLEANUP_FREE char *text = text_of(&plan);
    assert_string_equal(text, " =1 0 =11 1 =21 2 =31 3 =41 4 =51 5 =61 6 7 8");
}

/* So that what has not changed stays one run, although an earlier pack has it, too. */
static void test_a_block_is_looked_for_where_it_was(void **state)
{
    CLEANUP(known_freep) struct known *known = make_known();
    struct chunk chunk;

    (void)state;
    parse_chunk("11 12 13 14", &chunk);
    for (uint32_t i = 0; i < 3; i++)
        chunk.expected[i] = (struct known_block){1, 11 + i};
    chunk.expected[1].block = 100; /* another one is there */
    struct chunk_plan plan = plan_of(known, &chunk);
    assert_int_equal(plan.frame_count, 0);
    assert_int_equal(plan.blocks[0].at.pack, 1);
    assert_int_equal(plan.blocks[1].at.pack, 0);
    assert_int_equal(plan.blocks[1].at.block, 12);
    assert_int_equal(plan.blocks[2].at.pack, 1);
    assert_int_equal(plan.blocks[3].at.pack, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_blocks_are_referred_to),
        cmocka_unit_test(test_a_block_is_in_the_frame_once),
        cmocka_unit_test(test_single_known_blocks_of_many_pieces_are_stored_again),
        cmocka_unit_test(test_the_same_known_block_again_is_no_further_piece),
        cmocka_unit_test(test_blocks_that_are_where_they_were_are_not_stored_again),
        cmocka_unit_test(test_a_block_is_looked_for_where_it_was),
    };

    return cmocka_run_group_tests_name("repository chunk plan", tests, NULL, NULL);
}
