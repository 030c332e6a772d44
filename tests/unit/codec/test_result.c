/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Results as they come from a stranger: whatever was changed in one is refused,
 * or makes no difference.
 */
#include "codec/result.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "base/units.h"
#include "../chance.h"
#include "sample.h"

enum { RAW_LEN = 6000 };

static uint64_t seed;

/* In memory of exactly len bytes, so that a sanitizer sees a read behind them. */
static int decode_copy(struct decoder *decoder, const uint8_t *result, size_t len, uint8_t *ret_raw,
                       struct err *err)
{
    uint8_t *copy CLEANUP_FREE = malloc(len ? len : 1);
    uint8_t digest[DIGEST_SIZE];
    struct codec_room room = {ret_raw, RAW_LEN};

    if (len > 0)
        memcpy(copy, result, len);
    int ret = decoder_decode(decoder, copy, len, &room, digest, err);
    if (ret == 0)
        assert_int_equal(room.len, RAW_LEN);
    return ret;
}

static void check_damage(const char *spec_text, bool with_digest)
{
    struct codec_spec spec = sample_spec(spec_text);
    uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_TEXT, seed, RAW_LEN);
    uint8_t *back CLEANUP_FREE = malloc(RAW_LEN);
    size_t len;

    memset(raw, 0, 4096);
    uint8_t *result CLEANUP_FREE = sample_encode(&spec, CODEC_CHUNK_MIN, raw, RAW_LEN, &len);
    struct decoder *decoder CLEANUP(decoder_freep) =
        decoder_new(spec.type, CODEC_CHUNK_MIN, 64 * MIB, NULL);
    if (!with_digest)
        memset(result, 0, DIGEST_SIZE);

    for (size_t cut = 0; cut < len; cut++) {
        struct err err CLEANUP_ERR = ERR_INIT;
        assert_int_equal(decode_copy(decoder, result, cut, back, &err), -1);
        assert_int_equal(err.kind, ERR_CORRUPT);
    }
    for (size_t bit = with_digest ? 0 : DIGEST_SIZE * 8; bit < len * 8; bit++) {
        struct err err CLEANUP_ERR = ERR_INIT;
        result[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        if (decode_copy(decoder, result, len, back, &err) == 0) {
            /* A bit without a meaning, or a setting that these data do not use. */
            assert_memory_equal(back, raw, RAW_LEN);
        } else if (err.kind != ERR_CORRUPT) {
            assert_int_equal(err.kind, ERR_INTERNAL); /* raw length beyond our room */
            assert_in_range(bit, DIGEST_SIZE * 8, (DIGEST_SIZE + 4) * 8);
        }
        result[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    assert_int_equal(decode_copy(decoder, result, len, back, NULL), 0);
}

static void every_truncation_and_bit_flip_is_found_by_its_digest(void **state)
{
    (void)state;
    check_damage("none", true);
    check_damage("lzma:0", true);
    check_damage("lzma:6", true);
    check_damage("zstd:3", true);
}

static void the_checks_in_the_blocks_find_damage_without_a_digest(void **state)
{
    (void)state;
    check_damage("lzma:0", false);
    check_damage("zstd:3", false);
}

static void bytes_behind_a_result_are_refused(void **state)
{
    static const char *const specs[] = {"none", "lzma:0", "zstd:3"};
    /* zstd would pass over the second. */
    static const uint8_t tails[2][8] = {{0}, {0x50, 0x2a, 0x4d, 0x18}};

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        struct codec_spec spec = sample_spec(specs[i / 2]);
        uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_TEXT, seed, RAW_LEN);
        uint8_t *back CLEANUP_FREE = malloc(RAW_LEN);
        size_t len;
        uint8_t *result CLEANUP_FREE = sample_encode(&spec, CODEC_CHUNK_MIN, raw, RAW_LEN, &len);
        struct decoder *decoder CLEANUP(decoder_freep) =
            decoder_new(spec.type, CODEC_CHUNK_MIN, 64 * MIB, NULL);
        assert_int_equal(decode_copy(decoder, result, len + 1, back, NULL), -1);
        /* The table may say that they belong to the block: then the block is not whole. */
        result_put_entry(result, 0, get_be32(result + RESULT_HEAD_SIZE) + 8, RAW_LEN);
        memcpy(result + len, tails[i % 2], 8);
        assert_int_equal(decode_copy(decoder, result, len + 8, back, NULL), -1);
    }
}

/* ---- heads and tables made by hand --------------------------------------------- */

struct hand_made {
    uint32_t raw_len;
    uint32_t block_count;
    uint32_t entries[4][2];
    size_t entry_count; /* that are there */
    size_t blocks_len;
};

static int parse_hand_made(const struct hand_made *from, struct err *err)
{
    uint8_t data[256] = {0};
    uint8_t digest[DIGEST_SIZE] = {1};
    size_t len = result_head_size((uint32_t)from->entry_count) + from->blocks_len;
    struct result result;

    result_put_head(data, digest, from->raw_len, from->block_count);
    for (uint32_t i = 0; i < from->entry_count; i++)
        result_put_entry(data, i, from->entries[i][0], from->entries[i][1]);
    return result_parse(data, len, &result, err);
}

static void counts_and_lengths_must_agree(void **state)
{
    static const struct hand_made good = {10, 2, {{3, 4}, {0, 6}}, 2, 3};
    static const struct hand_made bad[] = {
        {0, 2, {{3, 4}, {0, 6}}, 2, 3},                   /* an empty chunk */
        {11, 2, {{3, 4}, {0, 6}}, 2, 3},                  /* raw lengths do not add up */
        {10, 2, {{3, 4}, {0, 6}}, 2, 4},                  /* bytes without a block */
        {10, 2, {{3, 4}, {0, 6}}, 2, 2},                  /* a block cut short */
        {10, 0, {{3, 4}, {0, 6}}, 2, 3},                  /* no blocks */
        {10, 3, {{3, 4}, {0, 6}}, 2, 3},                  /* a table cut short */
        {10, 2, {{3, 10}, {0, 0}}, 2, 3},                 /* a block for nothing */
        {10, UINT32_MAX, {{3, 4}, {0, 6}}, 2, 3},         /* more blocks than can be */
        {10, 2, {{UINT32_MAX, 4}, {4, 6}}, 2, 3},         /* a sum that would wrap in 32 bits */
        {10, 2, {{3, UINT32_MAX}, {0, 11}}, 2, 3},        /* the other one */
        {UINT32_MAX, 1, {{3, UINT32_MAX}}, 1, 3},         /* more than a chunk can be */
        {(1u << 29) + 1, 1, {{3, (1u << 29) + 1}}, 1, 3}, /* the same, by one byte */
    };

    (void)state;
    assert_int_equal(parse_hand_made(&good, NULL), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct err err CLEANUP_ERR = ERR_INIT;
        if (parse_hand_made(&bad[i], &err) == 0)
            fail_msg("bad result %zu was accepted", i);
        assert_int_equal(err.kind, ERR_CORRUPT);
    }
}

static int parse_outline(const struct hand_made *from, const uint8_t *raw, struct result *ret,
                         uint8_t outline[static 256], struct err *err)
{
    static const uint8_t digest[DIGEST_SIZE] = {1};

    memset(outline, 0, 256);
    result_put_head(outline, digest, from->raw_len, from->block_count);
    for (uint32_t i = 0; i < from->entry_count; i++)
        result_put_entry(outline, i, from->entries[i][0], from->entries[i][1]);
    size_t len = result_head_size((uint32_t)from->entry_count) + from->blocks_len;
    return result_parse_outline(outline, len, raw, ret, err);
}

static void an_outline_takes_its_bytes_from_the_chunk(void **state)
{
    static const struct hand_made good = {10, 3, {{3, 3}, {0, 5}, {2, 2}}, 3, 0};
    static const struct hand_made bad[] = {
        {10, 3, {{3, 3}, {0, 5}, {2, 2}}, 3, 1}, /* bytes behind the table */
        {10, 3, {{3, 3}, {0, 5}, {1, 2}}, 3, 0}, /* fewer bytes than it stands for */
        {10, 3, {{3, 3}, {6, 5}, {2, 2}}, 3, 0}, /* more */
        {11, 3, {{3, 3}, {0, 5}, {2, 2}}, 3, 0}, /* more than the chunk has */
    };
    static const uint8_t raw[10] = "abc\0\0\0\0\0yz";
    uint8_t outline[256];
    struct result result;
    struct result_cursor cursor = {0};
    struct result_block block;

    (void)state;
    assert_int_equal(parse_outline(&good, raw, &result, outline, NULL), 0);
    assert_true(result_next(&result, &cursor, &block));
    assert_ptr_equal(block.data, raw);
    assert_int_equal(block.stored_len, 3);
    assert_true(result_next(&result, &cursor, &block));
    assert_null(block.data);
    assert_int_equal(block.raw_len, 5);
    assert_true(result_next(&result, &cursor, &block));
    assert_ptr_equal(block.data, raw + 8);
    assert_false(result_next(&result, &cursor, &block));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct err err CLEANUP_ERR = ERR_INIT;
        if (parse_outline(&bad[i], raw, &result, outline, &err) == 0)
            fail_msg("bad outline %zu was accepted", i);
        assert_int_equal(err.kind, ERR_CORRUPT);
    }
}

/* As a child that has been taken over could do, while its result is being written. */
static void a_table_that_changes_later_is_not_looked_at(void **state)
{
    uint8_t data[RESULT_HEAD_SIZE + 2 * RESULT_ENTRY_SIZE + 5];
    static const uint8_t raw[30] = "abc";
    struct buf table CLEANUP_BUF = {0};

    (void)state;
    for (int outline = 0; outline < 2; outline++) {
        struct result_cursor cursor = {0};
        struct result_block block;
        struct result result;
        size_t len = outline ? result_head_size(2) : sizeof(data);

        result_put_head(data, (uint8_t[DIGEST_SIZE]){7}, 30, 2);
        result_put_entry(data, 0, outline ? 10 : 2, 10);
        result_put_entry(data, 1, outline ? 20 : 3, 20);
        memcpy(data + result_head_size(2), "abcde", 5);
        assert_int_equal(
            result_parse_shared(data, len, outline ? raw : NULL, &table, &result, NULL), 0);
        memset(data, 0xff, result_head_size(2));
        assert_int_equal(result.block_count, 2);
        assert_int_equal(result.digest[0], 7);
        for (uint32_t i = 0; i < 2; i++) {
            assert_true(result_next(&result, &cursor, &block));
            assert_int_equal(block.stored_len, outline ? 10 * (i + 1) : 2 + i);
            assert_int_equal(block.raw_len, 10 * (i + 1));
            assert_ptr_equal(block.data,
                             outline ? raw + 10 * i : data + result_head_size(2) + 2 * i);
        }
        assert_false(result_next(&result, &cursor, &block));
        /* and what is not whole is not taken */
        for (size_t cut = 0; cut < len; cut++)
            assert_int_equal(
                result_parse_shared(data, cut, outline ? raw : NULL, &table, &result, NULL), -1);
    }
}

static void the_number_of_blocks_is_bounded(void **state)
{
    uint8_t digest[DIGEST_SIZE] = {1};
    uint8_t *data CLEANUP_FREE = malloc(result_head_size(RESULT_MAX_BLOCKS + 1));
    struct result result;

    (void)state;
    for (uint32_t i = 0; i <= RESULT_MAX_BLOCKS; i++)
        result_put_entry(data, i, 0, 1);
    for (uint32_t count = RESULT_MAX_BLOCKS; count <= RESULT_MAX_BLOCKS + 1; count++) {
        result_put_head(data, digest, count, count);
        assert_int_equal(result_parse(data, result_head_size(count), &result, NULL),
                         count > RESULT_MAX_BLOCKS ? -1 : 0);
    }
}

static void blocks_are_walked_in_order(void **state)
{
    uint8_t data[RESULT_HEAD_SIZE + 3 * RESULT_ENTRY_SIZE + 5];
    uint8_t digest[DIGEST_SIZE] = {7};
    struct result result;
    struct result_cursor cursor = {0};
    struct result_block block;

    (void)state;
    result_put_head(data, digest, 60, 3);
    result_put_entry(data, 0, 2, 10);
    result_put_entry(data, 1, 0, 20);
    result_put_entry(data, 2, 3, 30);
    memcpy(data + result_head_size(3), "abcde", 5);
    assert_int_equal(result_parse(data, sizeof(data), &result, NULL), 0);
    assert_memory_equal(result.digest, digest, DIGEST_SIZE);
    assert_int_equal(result.raw_len, 60);
    assert_true(result_next(&result, &cursor, &block));
    assert_int_equal(block.raw_len, 10);
    assert_memory_equal(block.data, "ab", 2);
    assert_true(result_next(&result, &cursor, &block));
    assert_int_equal(block.raw_len, 20);
    assert_null(block.data);
    assert_true(result_next(&result, &cursor, &block));
    assert_int_equal(block.raw_len, 30);
    assert_memory_equal(block.data, "cde", 3);
    assert_false(result_next(&result, &cursor, &block));
}

static void numbers_are_big_endian_at_their_places(void **state)
{
    uint8_t data[RESULT_HEAD_SIZE + RESULT_ENTRY_SIZE];
    uint8_t digest[DIGEST_SIZE];
    static const uint8_t expected[] = {0, 1, 2, 3, 0, 0, 0, 1, 4, 5, 6, 7, 0, 9, 10, 11};

    (void)state;
    memset(digest, 0xaa, sizeof(digest));
    result_put_head(data, digest, 0x00010203, 1);
    result_put_entry(data, 0, 0x04050607, 0x00090a0b);
    assert_memory_equal(data, digest, DIGEST_SIZE);
    assert_memory_equal(data + DIGEST_SIZE, expected, sizeof(expected));
}

static int start(void **state)
{
    (void)state;
    seed = chance_seed();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_truncation_and_bit_flip_is_found_by_its_digest),
        cmocka_unit_test(the_checks_in_the_blocks_find_damage_without_a_digest),
        cmocka_unit_test(bytes_behind_a_result_are_refused),
        cmocka_unit_test(counts_and_lengths_must_agree),
        cmocka_unit_test(an_outline_takes_its_bytes_from_the_chunk),
        cmocka_unit_test(a_table_that_changes_later_is_not_looked_at),
        cmocka_unit_test(the_number_of_blocks_is_bounded),
        cmocka_unit_test(blocks_are_walked_in_order),
        cmocka_unit_test(numbers_are_big_endian_at_their_places),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
