/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/array.h"
#include "repository/refresh.h"

#define MIB (UINT64_C(1) << 20)
#define PACKS 120u

/* A base of packs of 100 blocks, of some of which an image uses some. */
struct sample {
    struct stored_point point;
    struct pack_digest digests[PACKS];
    uint32_t block_counts[PACKS];
    struct stored_image images[2];
    struct buf maps[2];
};

static void sample_clear(struct sample *sample)
{
    buf_clear(&sample->maps[0]);
    buf_clear(&sample->maps[1]);
}

/* The image uses so many blocks of each pack. frames: bytes of each pack's. */
static void sample_make(struct sample *sample, const uint32_t *used, uint32_t count,
                        uint64_t frames)
{
    uint64_t block = 0;

    *sample = (struct sample){.point = {.packs = {.count = count},
                                        .digests = sample->digests,
                                        .map_packs = {sample->block_counts, count},
                                        .images = sample->images,
                                        .image_count = 2}};
    for (uint32_t i = 0; i < count; i++) {
        sample->digests[i] = (struct pack_digest){.block_count = 100,
                                                  .index_offset = PACK_HEAD_SIZE + (uint32_t)frames,
                                                  .size = (uint32_t)frames + 2000};
        sample->block_counts[i] = 100;
    }
    /* one image has the first half of what is used, another the rest */
    for (uint32_t image = 0; image < 2; image++) {
        struct map_writer writer;
        map_writer_begin(&writer, 20000 * (uint64_t)LIMITS_BLOCK);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t half = used[i] / 2;
            struct map_run run = {block, image ? used[i] - half : half, i, image ? half : 0};
            if (run.count == 0)
                continue;
            map_writer_add(&writer, &run);
            block += run.count + 1;
        }
        map_writer_finish(&writer, &sample->maps[image]);
        sample->images[image].map =
            (struct slot_content){.data = sample->maps[image].data, .len = sample->maps[image].len};
    }
}

static void assert_chosen(const struct sample *sample, const char *expected)
{
    bool chosen[PACKS] = {false};
    char text[PACKS + 1] = "";

    refresh_choose(&sample->point, chosen);
    for (uint32_t i = 0; i < sample->point.packs.count; i++)
        text[i] = chosen[i] ? 'x' : '-';
    assert_string_equal(text, expected);
}

static void test_packs_of_which_little_is_used(void **state)
{
    static const uint32_t used[] = {100, 34, 35, 1, 36, 0};
    CLEANUP(sample_clear) struct sample sample;

    (void)state;
    sample_make(&sample, used, ARRAY_COUNT(used), MIB);
    assert_chosen(&sample, "-x-x-x");
}

/* What has room at the least: half a pack. */
static void test_no_more_than_16_mib_of_a_small_guest(void **state)
{
    static const uint32_t used[] = {12, 12, 12, 12, 12, 12};
    static const uint32_t one[] = {34};
    CLEANUP(sample_clear) struct sample sample;

    (void)state;
    sample_make(&sample, used, ARRAY_COUNT(used), 32 * MIB); /* 3.84 MiB are 12 % of 32 */
    assert_chosen(&sample, "xxxx--");
    sample_clear(&sample);
    sample_make(&sample, one, ARRAY_COUNT(one), 32 * MIB);
    assert_chosen(&sample, "x");
}

/* Of a pack with little in it, too, it is the share that counts: it gives back most for what is stored. */
static void test_those_with_the_least_share_in_use_go_first(void **state)
{
    static const uint32_t used[] = {34, 33, 32, 31, 34, 29, 28, 2};
    CLEANUP(sample_clear) struct sample sample;

    (void)state;
    sample_make(&sample, used, ARRAY_COUNT(used), 32 * MIB); /* 2 and 28 % are 9.6 MiB */
    assert_chosen(&sample, "------xx");
    sample.digests[4].index_offset =
        PACK_HEAD_SIZE + 16 * MIB; /* 34 % are 5.4 MiB, for which there is room */
    assert_chosen(&sample, "----x-xx");
    sample.digests[5].index_offset = PACK_HEAD_SIZE + 16 * MIB;
    assert_chosen(&sample, "-----xxx");
}

static void test_a_fifth_of_what_the_base_stored(void **state)
{
    static const uint32_t used[] = {30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30};
    CLEANUP(sample_clear) struct sample sample;

    (void)state;
    sample_make(&sample, used, ARRAY_COUNT(used), 32 * MIB);
    sample.point.info.stored = 5 * 97 * MIB; /* 10 x 9.6 MiB are less */
    assert_chosen(&sample, "xxxxxxxxxx--");
    sample.point.info.stored = 5 * 15 * MIB; /* 16 MiB are more */
    assert_chosen(&sample, "x-----------");
}

/* 20 blocks that an image has in four places are 20 blocks. */
static void test_a_block_counts_once(void **state)
{
    CLEANUP(sample_clear) struct sample sample;
    static const uint32_t used[] = {100, 40};
    struct map_writer writer;

    (void)state;
    sample_make(&sample, used, ARRAY_COUNT(used), MIB);
    assert_chosen(&sample, "--");
    buf_clear(&sample.maps[0]);
    buf_clear(&sample.maps[1]);
    for (uint32_t image = 0; image < 2; image++) {
        map_writer_begin(&writer, 10000 * (uint64_t)LIMITS_BLOCK);
        for (uint64_t place = 0; place < 2; place++)
            map_writer_add(&writer, &(struct map_run){place * 100, 20, 1, 10});
        map_writer_add(&writer, &(struct map_run){300, 100, 0, 0});
        map_writer_finish(&writer, &sample.maps[image]);
        sample.images[image].map =
            (struct slot_content){.data = sample.maps[image].data, .len = sample.maps[image].len};
    }
    assert_chosen(&sample, "-x");
}

static unsigned count_chosen(const struct sample *sample, bool *chosen)
{
    unsigned count = 0;

    memset(chosen, 0, PACKS * sizeof(*chosen));
    refresh_choose(&sample->point, chosen);
    for (uint32_t i = 0; i < sample->point.packs.count; i++)
        count += chosen[i];
    return count;
}

/* Of 101 as much as makes a pack. */
static void test_many_small_packs_are_joined(void **state)
{
    CLEANUP(sample_clear) struct sample sample;
    uint32_t used[PACKS];
    bool chosen[PACKS];

    (void)state;
    for (uint32_t i = 0; i < PACKS; i++)
        used[i] = 100;
    sample_make(&sample, used, 100, MIB);
    assert_int_equal(count_chosen(&sample, chosen), 0);
    sample_clear(&sample);
    sample_make(&sample, used, 101, MIB);
    assert_int_equal(count_chosen(&sample, chosen), 32);
    /* Those of 4 MiB are not small. */
    sample.digests[7].size = 4 * MIB;
    assert_int_equal(count_chosen(&sample, chosen), 0);
    sample.digests[7].size--;
    assert_int_equal(count_chosen(&sample, chosen), 32);
    /* The smallest go first. */
    for (uint32_t i = 50; i < 101; i++)
        sample.digests[i].index_offset = PACK_HEAD_SIZE + MIB / 2;
    assert_int_equal(count_chosen(&sample, chosen), 51 + (32 * 2 - 51) / 2);
    for (uint32_t i = 50; i < 101; i++)
        assert_true(chosen[i]);
}

/* What is left because little of it is used does not count among the small ones. */
static void test_small_packs_that_are_left_do_not_count(void **state)
{
    CLEANUP(sample_clear) struct sample sample;
    uint32_t used[PACKS];
    bool chosen[PACKS];

    (void)state;
    for (uint32_t i = 0; i < PACKS; i++)
        used[i] = i < 10 ? 30 : 100;
    sample_make(&sample, used, 110, MIB);
    assert_int_equal(count_chosen(&sample, chosen), 10);
    sample_clear(&sample);
    sample_make(&sample, used, 111, MIB);
    assert_int_equal(count_chosen(&sample, chosen), 10 + 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packs_of_which_little_is_used),
        cmocka_unit_test(test_no_more_than_16_mib_of_a_small_guest),
        cmocka_unit_test(test_those_with_the_least_share_in_use_go_first),
        cmocka_unit_test(test_a_fifth_of_what_the_base_stored),
        cmocka_unit_test(test_a_block_counts_once),
        cmocka_unit_test(test_many_small_packs_are_joined),
        cmocka_unit_test(test_small_packs_that_are_left_do_not_count),
    };

    return cmocka_run_group_tests_name("repository refresh", tests, NULL, NULL);
}
