/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A child process that was asked for the digests of blocks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <string.h>

#include <cmocka.h>

#include "../documented_digest.h"
#include "codec/result.h"
#include "harness.h"
#include "served.h"

static uint8_t two_blocks[2 * CODEC_CHUNK_MIN];
static uint8_t result[3 * CODEC_CHUNK_MIN];

static int fill_blocks(void **state)
{
    struct image image;

    (void)state;
    image_init(&image, "d", 1, 0);
    image.chunk_size = image.raw_size = sizeof(two_blocks);
    image_fill(&image, 0, two_blocks);
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

/* B comes before C, and E without it. */
static void blocks_before_the_result(bool decode, const uint8_t *input, size_t len, size_t raw_len)
{
    struct served served = {.settings.block_digests = true};
    uint8_t got[2 * DIGEST_SIZE], expected[DIGEST_SIZE];

    served.settings.chunk_size = 2 * CODEC_CHUNK_MIN;
    start(&served, "none", decode);
    hear(&served, 'I', 0);
    say_chunk(&served, 1, input, 0);
    hear_error(&served, 1, "without data");
    say_chunk(&served, 2, input, len);
    hear(&served, 'D', 2);
    say(&served, 'F', 2, 0);
    struct message message = hear(&served, 'B', 2);
    assert_int_equal(message.size, (raw_len + 65535) / 65536 * DIGEST_SIZE);
    hear_bytes(&served, got, message.size);
    for (size_t at = 0; at < raw_len; at += 65536) {
        documented_chunk_digest(two_blocks + at, raw_len - at < 65536 ? raw_len - at : 65536,
                                expected);
        assert_memory_equal(got + at / 65536 * DIGEST_SIZE, expected, DIGEST_SIZE);
    }
    message = hear(&served, 'C', 2);
    hear_bytes(&served, result, message.size);
    assert_int_equal(message.size, decode ? raw_len : result_head_size(1) + raw_len);
    hear(&served, 'I', 0);
    finish(&served, 0, NULL);
}

static void test_digests_of_blocks_come_before_the_result(void **state)
{
    static const size_t lengths[] = {1, 65536, 65537, 2 * CODEC_CHUNK_MIN};
    static uint8_t copy[sizeof(result)];

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        blocks_before_the_result(false, two_blocks, lengths[i], lengths[i]);
        size_t len = result_head_size(1) + lengths[i];
        memcpy(copy, result, len);
        blocks_before_the_result(true, copy, len, lengths[i]);
    }
}

static void test_digests_of_blocks_in_each_area_of_the_segment(void **state)
{
    struct served served = {.shared_size = 1, .settings.block_digests = true};
    uint8_t first[DIGEST_SIZE], second[DIGEST_SIZE];

    (void)state;
    served.settings.chunk_size = 2 * CODEC_CHUNK_MIN;
    start(&served, "zstd:1", false);
    hear(&served, 'I', 0);
    documented_chunk_digest(two_blocks, 65536, first);
    documented_chunk_digest(two_blocks + 65536, 100000 - 65536, second);
    for (unsigned i = 0; i < 2 * SHARED_AREAS; i++) {
        struct shared_area area = area_of(&served, i % SHARED_AREAS);
        do_m(&served, i, &area, two_blocks, 100000);
        assert_memory_equal(area.blocks, first, DIGEST_SIZE);
        assert_memory_equal(area.blocks + DIGEST_SIZE, second, DIGEST_SIZE);
        memset(area.blocks, 0, 2 * DIGEST_SIZE);
    }
    finish(&served, 0, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digests_of_blocks_come_before_the_result),
        cmocka_unit_test(test_digests_of_blocks_in_each_area_of_the_segment),
    };

    return cmocka_run_group_tests_name("mtcp child blocks", tests, fill_blocks, NULL);
}
