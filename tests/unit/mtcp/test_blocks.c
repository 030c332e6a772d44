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

/* Chunks that are all the same: half zeros, half not. Of the first only a block of zeros is wanted. */
struct half_zeros {
    uint8_t raw[CHUNK];
    uint8_t result[CHUNK + CHUNK / 8];
    size_t len;
    unsigned puts;
};
#define HALVES 12u

static int look_at_half(void *opaque, uint64_t id, struct chunk_run *ret, struct err *err)
{
    (void)opaque;
    (void)id;
    (void)err;
    *ret = (struct chunk_run){.kind = CHUNK_DATA, .count = 1};
    return 0;
}

static int read_half(void *opaque, uint64_t id, void *data, size_t cap, size_t *ret_len,
                     enum chunk_kind *ret_kind, struct err *err)
{
    const struct half_zeros *half = opaque;

    (void)id;
    (void)err;
    assert_true(half->len <= cap);
    memcpy(data, half->result, half->len);
    *ret_len = half->len;
    *ret_kind = CHUNK_DATA;
    return 0;
}

static uint64_t wanted_of_half(void *opaque, uint64_t id)
{
    (void)opaque;
    return id == 0 ? 1 : 0xf;
}

static int put_half(void *opaque, const struct chunk_output *output, struct err *err)
{
    struct half_zeros *half = opaque;
    size_t wanted = output->id == 0 ? 65536 : CHUNK;

    half->puts++;
    if (output->kind != CHUNK_DATA || output->len != CHUNK || !output->leaf_digests ||
        memcmp(output->data, half->raw, wanted) != 0)
        return err_set(err, ERR_INTERNAL, "chunk %u is not what it was", (unsigned)output->id);
    return 0;
}

/* A chunk of which little is wanted says nothing of others that are stored in the same way. */
static void test_what_is_not_wanted_is_not_taken_for_zeros(void **state)
{
    struct image image = image_of("d", 0, true);
    struct half_zeros *half = mem_alloc(sizeof(*half));
    struct codec_room room = {half->result, sizeof(half->result)};
    struct codec_spec spec;
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(codec_parse("zstd:1", &spec, NULL), 0);
    CLEANUP(encoder_freep) struct encoder *encoder = encoder_new(&spec, CHUNK, NULL);
    memset(half->raw + CHUNK / 2, 'x', CHUNK / 2);
    assert_int_equal(encoder_encode(encoder, half->raw, CHUNK, &room, NULL), 0);
    half->len = room.len;
    const struct chunk_source source = {
        .opaque = half,
        .count = HALVES,
        .chunk_size = CHUNK,
        .raw_size = (uint64_t)HALVES * CHUNK,
        .look = look_at_half,
        .read = read_half,
        .wanted = wanted_of_half,
    };
    const struct chunk_sink sink = {
        .opaque = half, .ordered = true, .block_digests = true, .put = put_half};
    CLEANUP(pool_freep) struct pool *pool = new_pool(&image, "zstd:1", true, 1);
    if (pool_run(pool, &(struct pool_plugs){.source = &source, .sink = &sink}, NULL, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(half->puts, HALVES);
    image_clear(&image);
    free(half);
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
        cmocka_unit_test(test_what_is_not_wanted_is_not_taken_for_zeros),
        cmocka_unit_test(test_a_sink_that_needs_digests_of_children_that_make_none),
        cmocka_unit_test(test_a_result_that_cannot_be_decoded),
    };

    return cmocka_run_group_tests_name("mtcp blocks", tests, start_spawner, end_spawner);
}
