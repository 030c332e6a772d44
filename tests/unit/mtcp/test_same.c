/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The pool with chunks that are the same as before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/io.h"
#include "pool_fixture.h"

/* Chunks that the sink has already cost nothing, and bring their digests along. */
static void same_chunks_are_not_read(const char *pattern, bool ordered, bool runs)
{
    CLEANUP_FREE uint8_t *digests = mem_array(10001, DIGEST_SIZE);
    struct image image;

    for (size_t i = 0; i < (size_t)10001 * DIGEST_SIZE; i++)
        digests[i] = (uint8_t)(i / DIGEST_SIZE + i * 7);
    image_init(&image, pattern, 10000, 100);
    image.same_digests = digests;
    image.ordered = ordered;
    image.runs = runs;
    image.chain = true;
    CLEANUP(pool_freep) struct pool *pool = new_pool(&image, "none", false, 2);
    struct pool_stats stats = run(&image, pool);
    assert_true(image.chained_right);
    assert_int_equal(image.chained, 10001);
    uint64_t same = 0;
    for (uint64_t id = 0; id < 10001; id++) {
        if (image_kind(&image, id) != 's')
            continue;
        same++;
        assert_int_equal(image.stored[id].kind, CHUNK_SAME);
        assert_null(image.stored[id].data);
        assert_memory_equal(image.stored[id].digest, digests + id * DIGEST_SIZE, DIGEST_SIZE);
    }
    assert_int_equal(stats.same_chunks, same);
    uint64_t data = 0;
    for (uint64_t id = 0; id < 10001; id++)
        data += image_kind(&image, id) == 'd';
    assert_int_equal(image.reads, data);
    image_clear(&image);
}

static void test_chunks_that_are_the_same_are_not_read(void **state)
{
    (void)state;
    same_chunks_are_not_read("s", true, true);
    same_chunks_are_not_read("s", false, false);
    same_chunks_are_not_read("ssssdsszzssss", true, true);
    same_chunks_are_not_read("ssssdsszzssss", false, true);
}

/* They are read, but no child has them, and a run of them is put at once. */
static void test_chunks_that_read_finds_the_same_need_no_child(void **state)
{
    struct image image;

    (void)state;
    image_init(&image, "kkkkkkkk", 10000, 100);
    image.ordered = true;
    CLEANUP(pool_freep) struct pool *pool = new_pool(&image, "none", false, 2);
    struct pool_stats stats = run(&image, pool);
    assert_int_equal(stats.same_chunks, 10001);
    assert_int_equal(image.reads, 10001);
    assert_true(image.longest_run > 1);
    image_clear(&image);

    image_init(&image, "dkkgskzrk", 1000, 100);
    image.ordered = true;
    CLEANUP(pool_freep) struct pool *mixed = new_pool(&image, "none", false, 2);
    run(&image, mixed);
    for (uint64_t id = 0; id < 1001; id++) {
        bool same = strchr("ks", image_kind(&image, id)) != NULL;
        assert_int_equal(image.stored[id].kind == CHUNK_SAME, same);
        assert_true(!same || io_is_zero(image.stored[id].digest, DIGEST_SIZE));
    }
    image_clear(&image);
}

static void test_what_read_finds_the_same_has_no_digest(void **state)
{
    struct image image;

    (void)state;
    image_init(&image, "ddk", 10, 0);
    image.chain = true;
    CLEANUP(pool_freep) struct pool *pool = new_pool(&image, "none", false, 2);
    expect_failure(&image, pool, ERR_INTERNAL, "not its digest");
    image_clear(&image);
}

static void test_a_sink_that_has_nothing_takes_nothing_for_the_same(void **state)
{
    struct image image;

    (void)state;
    image_init(&image, "dds", 10, 0);
    CLEANUP(pool_freep) struct pool *pool = new_pool(&image, "none", false, 2);
    expect_failure(&image, pool, ERR_INTERNAL, "not to the sink");
    image_clear(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunks_that_are_the_same_are_not_read),
        cmocka_unit_test(test_chunks_that_read_finds_the_same_need_no_child),
        cmocka_unit_test(test_what_read_finds_the_same_has_no_digest),
        cmocka_unit_test(test_a_sink_that_has_nothing_takes_nothing_for_the_same),
    };

    return cmocka_run_group_tests_name("mtcp same", tests, start_spawner, end_spawner);
}
