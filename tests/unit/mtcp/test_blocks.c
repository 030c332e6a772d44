/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The digests of the blocks of a chunk, from children of our own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pool_fixture.h"

#define CHUNK (4 * CODEC_CHUNK_MIN)

static struct image image_of(const char *pattern, uint64_t extra, bool ordered)
{
    struct image image;

    image_init(&image, pattern, 0, 0);
    image.chunk_size = CHUNK;
    image.raw_size = 11 * CHUNK + extra;
    image.ordered = ordered;
    image.block_digests = true;
    return image;
}

/* The harness compares the digests of all chunks of data, and that others have none. */
static void there_and_back(const char *pattern, const char *codec, uint64_t extra, bool ordered)
{
    struct image there = image_of(pattern, extra, ordered);
    struct image back = image_of(pattern, extra, ordered);

    CLEANUP(pool_freep) struct pool *encoding = new_pool(&there, codec, false, 2);
    assert_int_equal(run(&there, encoding).children_lost, 0);
    assert_true(image_encoded_right(&there, codec));
    back.results = there.stored;
    CLEANUP(pool_freep) struct pool *decoding = new_pool(&back, codec, true, 2);
    assert_int_equal(run(&back, decoding).children_lost, 0);
    assert_true(image_decoded_right(&back));
    image_clear(&there);
    image_clear(&back);
}

static void test_each_block_has_its_digest(void **state)
{
    static const uint64_t extras[] = {0, 1, 65536, 65537, 3 * 65536 + 40000};

    (void)state;
    for (size_t i = 0; i < sizeof(extras) / sizeof(*extras); i++) {
        there_and_back("dzdrd", "none", extras[i], i % 2);
        there_and_back("dzdrd", "zstd:1", extras[i], i % 2 == 0);
    }
    there_and_back("dzdrd", "lzma:0", 100, true);
}

/* A source may give parts of chunks alone. */
static void test_chunks_whose_parts_are_gathered(void **state)
{
    (void)state;
    there_and_back("g", "none", 0, true);
    there_and_back("dgzgr", "none", 1, false);
    there_and_back("dgzgr", "zstd:1", 99999, true);
    there_and_back("gd", "lzma:0", 65536, false);
}

static void expect_gathered_refused(uint32_t len, bool decode)
{
    struct stored result = {.put = true, .data = (uint8_t *)"no result", .len = 9};
    struct image image = image_of("d", 0, true);

    image.raw_size = CHUNK;
    image.gathered = &len;
    image.results = decode ? &result : NULL;
    CLEANUP(pool_freep) struct pool *pool = new_pool(&image, "none", decode, 1);
    expect_failure(&image, pool, ERR_INTERNAL, "chunk 0 was read with");
    image_clear(&image);
}

static void test_a_source_that_gathers_nothing_or_too_much(void **state)
{
    (void)state;
    expect_gathered_refused(0, false);
    expect_gathered_refused(CHUNK - 1, false); /* but CHUNK bytes were read */
    expect_gathered_refused(0, true);
    expect_gathered_refused(CHUNK + 1, true);
}

/* 64 MiB: they need more than a page. */
static void test_the_blocks_of_large_chunks(void **state)
{
    struct image image = image_of("d", 0, true), back = image;

    (void)state;
    image.chunk_size = back.chunk_size = (uint64_t)64 << 20;
    image.raw_size = back.raw_size = image.chunk_size + 70000;
    CLEANUP(pool_freep) struct pool *pool = new_pool(&image, "none", false, 1);
    run(&image, pool);
    assert_true(image_encoded_right(&image, "none"));
    back.results = image.stored;
    CLEANUP(pool_freep) struct pool *decoding = new_pool(&back, "none", true, 1);
    run(&back, decoding);
    assert_true(image_decoded_right(&back));
    image_clear(&image);
    image_clear(&back);
}

static void test_the_same_children_serve_a_sink_that_wants_none(void **state)
{
    struct image with = image_of("d", 10, true);
    struct image without = image_of("d", 10, true);

    (void)state;
    CLEANUP(pool_freep) struct pool *pool = new_pool(&with, "zstd:1", false, 2);
    run(&with, pool);
    without.block_digests = false;
    run(&without, pool);
    assert_true(image_encoded_right(&with, "zstd:1"));
    assert_true(image_encoded_right(&without, "zstd:1"));
    image_clear(&with);
    image_clear(&without);
}

static void test_children_that_were_not_told_so_give_none(void **state)
{
    struct image image = image_of("d", 0, true);

    (void)state;
    image.block_digests = false;
    CLEANUP(pool_freep) struct pool *pool = new_pool(&image, "none", false, 2);
    image.block_digests = true;
    expect_failure(&image, pool, ERR_INTERNAL, "were not told so");
    image_clear(&image);
}

static void test_children_make_no_digests_that_are_known(void **state)
{
    static const char *const codecs[] = {"none", "zstd:1", "lzma:0"};

    (void)state;
    for (size_t i = 0; i < sizeof(codecs) / sizeof(*codecs); i++) {
        struct image image = image_of("dzdrd", 70000, true);
        image.block_digests = false;
        image.digests_known = true;
        CLEANUP(pool_freep) struct pool *pool = new_pool(&image, codecs[i], false, 2);
        assert_int_equal(run(&image, pool).children_lost, 0);
        assert_true(image_encoded_right(&image, codecs[i]));
        image_clear(&image);
    }
}

static void test_a_sink_that_needs_digests_of_children_that_make_none(void **state)
{
    struct image image = image_of("d", 0, true);

    (void)state;
    image.block_digests = false;
    image.digests_known = true;
    CLEANUP(pool_freep) struct pool *pool = new_pool(&image, "none", false, 2);
    image.digests_known = false;
    expect_failure(&image, pool, ERR_INTERNAL, "child processes that make none");
    image_clear(&image);
}

/* A result that is refused by all children ends the run, whatever it left in the head. */
static void test_a_result_that_cannot_be_decoded(void **state)
{
    struct image there = image_of("d", 10, true);
    struct image back = image_of("d", 10, true);

    (void)state;
    CLEANUP(pool_freep) struct pool *encoding = new_pool(&there, "zstd:1", false, 2);
    run(&there, encoding);
    there.stored[3].data[there.stored[3].len / 2] ^= 1;
    back.results = there.stored;
    CLEANUP(pool_freep) struct pool *decoding = new_pool(&back, "zstd:1", true, 2);
    CLEANUP_ERR struct err err = ERR_INIT;
    assert_int_equal(image_run(&back, decoding, NULL, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
    assert_non_null(strstr(err.text, "chunk 3 "));
    image_clear(&there);
    image_clear(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_block_has_its_digest),
        cmocka_unit_test(test_chunks_whose_parts_are_gathered),
        cmocka_unit_test(test_a_source_that_gathers_nothing_or_too_much),
        cmocka_unit_test(test_the_blocks_of_large_chunks),
        cmocka_unit_test(test_the_same_children_serve_a_sink_that_wants_none),
        cmocka_unit_test(test_children_that_were_not_told_so_give_none),
        cmocka_unit_test(test_children_make_no_digests_that_are_known),
        cmocka_unit_test(test_a_sink_that_needs_digests_of_children_that_make_none),
        cmocka_unit_test(test_a_result_that_cannot_be_decoded),
    };

    return cmocka_run_group_tests_name("mtcp blocks", tests, start_spawner, end_spawner);
}
