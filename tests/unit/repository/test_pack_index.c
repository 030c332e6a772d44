/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "repository/format/pack_index.h"

static struct id ids[LIMITS_FRAME_BLOCKS_LZMA];

static void add(struct pack_index *index, uint32_t stored_len, uint32_t raw_len,
                enum codec_type codec, uint32_t block_count)
{
    struct pack_index_added added = {stored_len, raw_len, codec, block_count, ids};

    for (uint32_t i = 0; i < block_count; i++)
        memset(ids[i].bytes, (int)(index->block_count + i + 1), ID_SIZE);
    assert_int_equal(pack_index_add(index, &added, NULL), 0);
}

static void an_index_comes_back(void **state)
{
    CLEANUP_PACK_INDEX struct pack_index index = {0}, found = {0};
    CLEANUP_BUF struct buf bytes = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    add(&index, 1000, 16 * LIMITS_BLOCK, CODEC_ZSTD, 16);
    add(&index, 64 * LIMITS_BLOCK, 64 * LIMITS_BLOCK, CODEC_LZMA, 64);
    add(&index, 100, 1, CODEC_NONE, 1);
    pack_index_format(&index, &bytes);
    assert_int_equal(bytes.len, 8 + 3 * 12 + 81 * 16);
    if (pack_index_parse(bytes.data, bytes.len, 1100 + 64 * LIMITS_BLOCK, &found, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(found.frame_count, 3);
    assert_int_equal(found.block_count, 81);
    assert_int_equal(found.frames_len, index.frames_len);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(found.frames[i].stored_len, index.frames[i].stored_len);
        assert_int_equal(found.frames[i].raw_len, index.frames[i].raw_len);
        assert_int_equal(found.frames[i].codec, index.frames[i].codec);
        assert_int_equal(found.frames[i].block_count, index.frames[i].block_count);
        assert_int_equal(found.frames[i].offset, index.frames[i].offset);
        assert_int_equal(found.frames[i].first_block, index.frames[i].first_block);
    }
    assert_memory_equal(found.ids, index.ids, 81 * ID_SIZE);
    assert_ptr_equal(pack_index_frame_of(&found, 0), &found.frames[0]);
    assert_ptr_equal(pack_index_frame_of(&found, 15), &found.frames[0]);
    assert_ptr_equal(pack_index_frame_of(&found, 16), &found.frames[1]);
    assert_ptr_equal(pack_index_frame_of(&found, 79), &found.frames[1]);
    assert_ptr_equal(pack_index_frame_of(&found, 80), &found.frames[2]);
}

static void the_bytes_are_as_documented(void **state)
{
    static const uint8_t expected[] = {
        0, 0, 0, 1, /* frames */
        0, 0, 0, 2, /* blocks */
        0, 0, 1, 0, /* stored length */
        0, 1, 0, 5, /* raw length */
        1, 2, 0, 0, /* zstd, blocks, zeros */
        1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
        2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    };
    CLEANUP_PACK_INDEX struct pack_index index = {0};
    CLEANUP_BUF struct buf bytes = {0};

    (void)state;
    add(&index, 256, LIMITS_BLOCK + 5, CODEC_ZSTD, 2);
    pack_index_format(&index, &bytes);
    assert_int_equal(bytes.len, sizeof(expected));
    assert_memory_equal(bytes.data, expected, sizeof(expected));
}

static void an_empty_pack_has_an_index(void **state)
{
    CLEANUP_PACK_INDEX struct pack_index index = {0}, found = {0};
    CLEANUP_BUF struct buf bytes = {0};

    (void)state;
    pack_index_format(&index, &bytes);
    assert_int_equal(pack_index_parse(bytes.data, bytes.len, 0, &found, NULL), 0);
    assert_int_equal(found.frame_count, 0);
}

static void a_pack_takes_no_more_than_its_limits(void **state)
{
    CLEANUP_PACK_INDEX struct pack_index index = {0};

    (void)state;
    index.frames_len = LIMITS_PACK_BODY - 64 - 100;
    assert_true(pack_index_fits(&index, 64, 100, 1));
    assert_false(pack_index_fits(&index, 64, 101, 1));
    assert_false(pack_index_fits(&index, 65, 100, 1));
    index.block_count = LIMITS_PACK_BLOCKS - 16;
    assert_true(pack_index_fits(&index, 64, 100, 16));
    assert_false(pack_index_fits(&index, 64, 100, 17));
    index.frame_count = LIMITS_PACK_FRAMES;
    assert_false(pack_index_fits(&index, 64, 100, 1));
}

static void an_index_of_the_most_frames_is_within_its_limit(void **state)
{
    CLEANUP_PACK_INDEX struct pack_index index = {0}, found = {0};
    CLEANUP_BUF struct buf bytes = {0};

    (void)state;
    for (uint32_t i = 0; i < LIMITS_PACK_FRAMES; i++)
        add(&index, 1, 1, CODEC_NONE, 1);
    pack_index_format(&index, &bytes);
    assert_int_equal(bytes.len, 1835016);
    assert_true(bytes.len <= LIMITS_INDEX);
    assert_int_equal(pack_index_parse(bytes.data, bytes.len, LIMITS_PACK_FRAMES, &found, NULL), 0);
    assert_int_equal(found.block_count, LIMITS_PACK_BLOCKS);
}

/* One byte of a good index of two frames, 2 blocks and 1, is another. */
static void what_an_index_cannot_say_is_corrupt(void **state)
{
    static const struct {
        size_t at;
        uint8_t byte;
        const char *says;
    } rows[] = {
        {0, 1, "too many frames"},
        {4, 1, "too many frames or blocks"},
        {3, 1, "do not hold"},
        {7, 4, "do not hold"},
        {16, 3, "unknown codec"},
        {16, 255, "unknown codec"},
        {17, 0, "cannot have 0 blocks"},
        {17, 17, "cannot have 17 blocks"},
        {17, 1, "bytes in 1 blocks"},
        {17, 3, "bytes in 3 blocks"},
        {18, 1, "reserved"},
        {19, 1, "reserved"},
        {13, 0, "bytes in 2 blocks"},
        {13, 2, "bytes in 2 blocks"},
        {8, 1, "are stored as"},
        {10, 0, "are stored as 0"},
        {11, 1, "do not add up"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP_PACK_INDEX struct pack_index index = {0}, found = {0};
        CLEANUP_BUF struct buf bytes = {0};
        CLEANUP_ERR struct err err = ERR_INIT;
        add(&index, 256, LIMITS_BLOCK + 5, CODEC_ZSTD, 2);
        add(&index, 256, 5, CODEC_ZSTD, 1);
        pack_index_format(&index, &bytes);
        assert_int_equal(pack_index_parse(bytes.data, bytes.len, 512, &found, NULL), 0);
        pack_index_clear(&found);
        bytes.data[rows[i].at] = rows[i].byte;
        assert_int_equal(pack_index_parse(bytes.data, bytes.len, 512, &found, &err), -1);
        assert_int_equal(err.kind, ERR_CORRUPT);
        if (!strstr(err.text, rows[i].says))
            fail_msg("row %zu: %s", i, err.text);
    }
}

static void lengths_that_do_not_agree_are_corrupt(void **state)
{
    CLEANUP_PACK_INDEX struct pack_index index = {0}, found = {0};
    CLEANUP_BUF struct buf bytes = {0};

    (void)state;
    add(&index, 256, LIMITS_BLOCK + 5, CODEC_LZMA, 2);
    pack_index_format(&index, &bytes);
    assert_int_equal(pack_index_parse(bytes.data, bytes.len, 256, &found, NULL), 0);
    pack_index_clear(&found);
    for (size_t len = 0; len < bytes.len; len++)
        assert_int_equal(pack_index_parse(bytes.data, len, 256, &found, NULL), -1);
    assert_int_equal(pack_index_parse(bytes.data, bytes.len, 255, &found, NULL), -1);
    assert_int_equal(pack_index_parse(bytes.data, bytes.len, 257, &found, NULL), -1);
    /* A frame of two blocks that says one, though the number of ids is right. */
    bytes.data[7] = 1;
    assert_int_equal(pack_index_parse(bytes.data, bytes.len - ID_SIZE, 256, &found, NULL), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_index_comes_back),
        cmocka_unit_test(the_bytes_are_as_documented),
        cmocka_unit_test(an_empty_pack_has_an_index),
        cmocka_unit_test(a_pack_takes_no_more_than_its_limits),
        cmocka_unit_test(an_index_of_the_most_frames_is_within_its_limit),
        cmocka_unit_test(what_an_index_cannot_say_is_corrupt),
        cmocka_unit_test(lengths_that_do_not_agree_are_corrupt),
    };

    return cmocka_run_group_tests_name("repository pack index", tests, NULL, NULL);
}
