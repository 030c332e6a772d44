/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../chance.h"
#include "base/cleanup.h"
#include "repository/format/map.h"
#include "repository/format/varint.h"

#define SIZE(blocks) ((uint64_t)(blocks) * LIMITS_BLOCK)

static const uint32_t block_counts[] = {512, 10, LIMITS_PACK_BLOCKS};
static const struct map_packs packs = {block_counts, 3};

static void varints_are_as_short_as_can_be(void **state)
{
    static const struct {
        uint64_t value;
        size_t len;
        uint8_t bytes[10];
    } rows[] = {
        {0, 1, {0}},
        {1, 1, {1}},
        {127, 1, {0x7f}},
        {128, 2, {0x80, 0x01}},
        {16383, 2, {0xff, 0x7f}},
        {16384, 3, {0x80, 0x80, 0x01}},
        {UINT64_MAX, 10, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP_BUF struct buf buf = {0};
        varint_put(&buf, rows[i].value);
        assert_int_equal(buf.len, rows[i].len);
        assert_memory_equal(buf.data, rows[i].bytes, rows[i].len);
        struct reader reader = reader_of(buf.data, buf.len);
        assert_int_equal(varint_get(&reader), rows[i].value);
        assert_false(reader.failed);
        assert_int_equal(reader.left, 0);
    }
}

static void varints_that_are_too_long_or_cut_off_fail(void **state)
{
    static const struct {
        size_t len;
        uint8_t bytes[11];
    } rows[] = {
        {0, {0}},
        {1, {0x80}},
        {2, {0x80, 0x00}},
        {3, {0xff, 0x80, 0x00}},
        {10, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}},
        {11, {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct reader reader = reader_of(rows[i].bytes, rows[i].len);
        (void)varint_get(&reader);
        assert_true(reader.failed);
    }
}

static void assert_runs(const struct buf *bytes, uint64_t size, const struct map_run *runs,
                        size_t count)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct map_reader reader;
    struct map_run run;

    if (map_reader_begin(&reader, bytes->data, bytes->len, &packs, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(reader.size, size);
    for (size_t i = 0; i < count; i++) {
        if (map_reader_next(&reader, &run, &err) != 1)
            fail_msg("run %zu: %s", i, err.text);
        assert_int_equal(run.block, runs[i].block);
        assert_int_equal(run.count, runs[i].count);
        assert_int_equal(run.pack, runs[i].pack);
        assert_int_equal(run.first, runs[i].first);
    }
    assert_int_equal(map_reader_next(&reader, &run, &err), 0);
}

/* The bytes are those of the manual page's example. */
static void a_map_is_written_as_documented(void **state)
{
    static const uint8_t expected[] = {
        0,   0, 0, 0, 0, 0x80, 0, 1, /* an image of 129 blocks, the last of 1 byte */
        0,   3, 1, 5,                /* blocks 0-2: pack 0 from block 5 */
        1,   2, 0,                   /* 4-5: the same pack, goes on with block 8 */
        0,   1, 5, 0,                /* 6: pack 2, from block 0 */
        121, 1, 2, 9,                /* 128: pack 1, its block 9 */
    };
    static const struct map_run runs[] = {
        {0, 3, 0, 5},
        {4, 2, 0, 8},
        {6, 1, 2, 0},
        {128, 1, 1, 9},
    };
    CLEANUP_MAP_WRITER struct map_writer writer;
    CLEANUP_BUF struct buf bytes = {0};

    (void)state;
    map_writer_begin(&writer, SIZE(128) + 1);
    for (size_t i = 0; i < 4; i++)
        map_writer_add(&writer, &runs[i]);
    map_writer_finish(&writer, &bytes);
    assert_int_equal(bytes.len, sizeof(expected));
    assert_memory_equal(bytes.data, expected, sizeof(expected));
    assert_runs(&bytes, SIZE(128) + 1, runs, 4);
}

static void runs_that_continue_are_joined(void **state)
{
    static const struct map_run parts[] = {{0, 3, 0, 5}, {3, 1, 0, 8}, {4, 1, 0, 10}, {5, 1, 1, 0}};
    static const struct map_run joined[] = {{0, 4, 0, 5}, {4, 1, 0, 10}, {5, 1, 1, 0}};
    CLEANUP_MAP_WRITER struct map_writer writer;
    CLEANUP_BUF struct buf bytes = {0};

    (void)state;
    map_writer_begin(&writer, SIZE(6));
    for (size_t i = 0; i < 4; i++)
        map_writer_add(&writer, &parts[i]);
    map_writer_finish(&writer, &bytes);
    assert_runs(&bytes, SIZE(6), joined, 3);
}

static void an_empty_map_is_an_image_of_zeros(void **state)
{
    CLEANUP_MAP_WRITER struct map_writer writer;
    CLEANUP_BUF struct buf bytes = {0};

    (void)state;
    map_writer_begin(&writer, SIZE(6));
    map_writer_finish(&writer, &bytes);
    assert_int_equal(bytes.len, 8);
    assert_runs(&bytes, SIZE(6), NULL, 0);
}

static void random_maps_come_back(void **state)
{
    enum { RUNS = 300 };
    uint64_t chance = chance_seed();

    (void)state;
    for (int round = 0; round < 50; round++) {
        struct map_run runs[RUNS];
        CLEANUP_MAP_WRITER struct map_writer writer;
        CLEANUP_BUF struct buf bytes = {0};
        uint64_t block = 0;
        for (size_t i = 0; i < RUNS; i++) {
            uint32_t pack = (uint32_t)chance_below(&chance, 3);
            uint32_t count = 1 + (uint32_t)chance_below(&chance, 10);
            /* A gap, so that none is joined. */
            block += 1 + chance_below(&chance, chance_below(&chance, 2) ? 3 : 1000000);
            runs[i] =
                (struct map_run){block, count, pack,
                                 (uint32_t)chance_below(&chance, block_counts[pack] - count + 1)};
            block += count;
        }
        map_writer_begin(&writer, SIZE(block));
        for (size_t i = 0; i < RUNS; i++)
            map_writer_add(&writer, &runs[i]);
        map_writer_finish(&writer, &bytes);
        assert_runs(&bytes, SIZE(block), runs, RUNS);
    }
}

static void what_a_map_cannot_say_is_corrupt(void **state)
{
    /* Of an image of 10 blocks. */
    static const struct {
        const char *says;
        size_t len;
        uint8_t bytes[16];
    } rows[] = {
        {"too short", 1, {0}},
        {"too short", 2, {0, 1}},
        {"too short", 3, {0, 1, 1}},
        {"empty", 4, {0, 0, 1, 0}},
        {"names no pack", 3, {0, 1, 0}},
        {"beyond its image", 4, {0, 11, 1, 0}},
        {"beyond its image", 4, {10, 1, 1, 0}},
        {"beyond its image", 4, {11, 1, 1, 0}},
        {"beyond its image",
         13,
         {1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 1, 0}},
        {"beyond its image",
         13,
         {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 1, 1, 0}},
        {"beyond its image", 8, {0, 5, 1, 0, 0, 6, 1, 0}},
        {"in no pack", 4, {0, 1, 7, 0}},
        {"in no pack", 4, {0, 1, 2, 0}}, /* before the first */
        {"in no pack", 13, {0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0}},
        {"beyond its pack", 4, {0, 1, 3, 10}},
        {"beyond its pack", 4, {0, 2, 3, 9}},
        {"beyond its pack",
         13,
         {0, 1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}},
        {"beyond its pack", 7, {0, 1, 3, 9, 0, 1, 0}},
        {"too short", 4, {0, 0x81, 0x00, 1}}, /* a varint that is longer than it need be */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP_ERR struct err err = ERR_INIT;
        CLEANUP_BUF struct buf bytes = {0};
        struct map_reader reader;
        struct map_run run;
        int rc = 1;
        buf_put_be64(&bytes, SIZE(10));
        buf_append(&bytes, rows[i].bytes, rows[i].len);
        assert_int_equal(map_reader_begin(&reader, bytes.data, bytes.len, &packs, &err), 0);
        while (rc == 1)
            rc = map_reader_next(&reader, &run, &err);
        if (rc == 0 || err.kind != ERR_CORRUPT || !strstr(err.text, rows[i].says))
            fail_msg("row %zu: %s", i, err.text ? err.text : "was taken");
    }
}

static void images_have_a_largest_size(void **state)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_BUF struct buf bytes = {0};
    struct map_reader reader;

    (void)state;
    buf_put_be64(&bytes, LIMITS_IMAGE + 1);
    assert_int_equal(map_reader_begin(&reader, bytes.data, 8, &packs, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
    assert_int_equal(map_reader_begin(&reader, bytes.data, 7, &packs, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
}

static void maps_have_most_bytes(void **state)
{
    enum { LONGEST = 65536 + 10 * 16 };
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_FREE uint8_t *bytes = mem_alloc(LONGEST + 1);
    struct map_reader reader;

    (void)state;
    set_be64(bytes, SIZE(9) + 1);
    assert_int_equal(map_max_len(SIZE(9) + 1), LONGEST);
    assert_int_equal(map_max_len(LIMITS_IMAGE), UINT32_MAX);
    assert_int_equal(map_reader_begin(&reader, bytes, LONGEST, &packs, NULL), 0);
    assert_int_equal(map_reader_begin(&reader, bytes, LONGEST + 1, &packs, &err), -1);
    assert_non_null(strstr(err.text, "too long for its image"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(varints_are_as_short_as_can_be),
        cmocka_unit_test(varints_that_are_too_long_or_cut_off_fail),
        cmocka_unit_test(a_map_is_written_as_documented),
        cmocka_unit_test(runs_that_continue_are_joined),
        cmocka_unit_test(an_empty_map_is_an_image_of_zeros),
        cmocka_unit_test(random_maps_come_back),
        cmocka_unit_test(what_a_map_cannot_say_is_corrupt),
        cmocka_unit_test(images_have_a_largest_size),
        cmocka_unit_test(maps_have_most_bytes),
    };

    return cmocka_run_group_tests_name("repository map", tests, NULL, NULL);
}
