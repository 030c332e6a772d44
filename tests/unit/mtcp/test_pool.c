/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The pool with children of our own, as it forks them in earnest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "pids.h"
#include "base/units.h"
#include "pool_fixture.h"
#include "mtcp/sizing.h"
#include "mtcp/shared.h"
#include "mtcp/window.h"

#if defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* ---- there and back -------------------------------------------------------- */

static void there_and_back(const char *codec, unsigned children, bool ordered, const char *pattern,
                           uint64_t chunks, uint64_t extra)
{
    struct image there, back;

    image_init(&there, pattern, chunks, extra);
    there.ordered = ordered;
    CLEANUP(pool_freep) struct pool *encoding = new_pool(&there, codec, false, children);
    struct pool_stats stats = run(&there, encoding);
    assert_int_equal(stats.children_lost, 0);
    assert_true(image_encoded_right(&there, codec));

    image_init(&back, pattern, chunks, extra);
    back.ordered = ordered;
    back.results = there.stored;
    CLEANUP(pool_freep) struct pool *decoding = new_pool(&back, codec, true, children);
    run(&back, decoding);
    assert_true(image_decoded_right(&back));
    image_clear(&there);
    image_clear(&back);
}

static void test_one_to_four_children_in_order(void **state)
{
    (void)state;
    for (unsigned children = 1; children <= 4; children++)
        there_and_back("zstd:1", children, true, "ddzdrzzd", 50, 777);
}

static void test_one_to_four_children_in_any_order(void **state)
{
    (void)state;
    for (unsigned children = 1; children <= 4; children++)
        there_and_back("none", children, false, "ddzdrzzd", 50, 777);
}

static void test_digests_are_chained_in_order_whatever_the_puts_order(void **state)
{
    (void)state;
    for (unsigned ordered = 0; ordered <= 1; ordered++) {
        struct image image;
        image_init(&image, "ddzdrzzd", 60, 777);
        image.ordered = ordered;
        image.chain = true;
        CLEANUP(pool_freep) struct pool *pool = new_pool(&image, "zstd:1", false, 4);
        run(&image, pool);
        assert_int_equal(image.chained, image_chunks(&image));
        assert_true(image.chained_right);
        assert_true(image_encoded_right(&image, "zstd:1"));
        image_clear(&image);
    }
}

static void test_every_codec(void **state)
{
    (void)state;
    there_and_back("none", 2, true, "dz", 20, 1);
    there_and_back("lzma:0", 2, true, "dz", 20, 1);
    there_and_back("zstd:3", 2, false, "dz", 20, 1);
}

static void test_images_of_few_and_no_chunks(void **state)
{
    (void)state;
    there_and_back("none", 3, true, "d", 0, 0);
    there_and_back("none", 3, true, "d", 0, 1);
    there_and_back("none", 3, true, "d", 1, 0);
    there_and_back("none", 3, false, "z", 1, 0);
    there_and_back("none", 3, true, "z", 0, 5);
    there_and_back("none", 3, true, "zzzd", 3, 5);
    there_and_back("none", 3, true, "dddz", 3, 5);
}

static void test_one_pool_serves_many_images(void **state)
{
    struct image images[3];
    static const char *const patterns[] = {"dz", "zd", "rz"};

    (void)state;
    image_init(&images[0], patterns[0], 10, 100);
    CLEANUP(pool_freep) struct pool *pool = new_pool(&images[0], "zstd:1", false, 2);
    for (int i = 0; i < 3; i++) {
        image_init(&images[i], patterns[i], 10, 100);
        run(&images[i], pool);
        assert_true(image_encoded_right(&images[i], "zstd:1"));
        image_clear(&images[i]);
    }
    image_init(&images[0], "d", 4, 0);
    images[0].chunk_size *= 2;
    expect_failure(&images[0], pool, ERR_INTERNAL, "do not fit child processes");
}

/* ---- zeros ----------------------------------------------------------------- */

static void test_runs_of_zeros_come_as_one_to_who_takes_them(void **state)
{
    (void)state;
    for (unsigned runs = 0; runs <= 1; runs++) {
        struct image image;
        image_init(&image, "ddzzzzzzzzzzzzzz", 200, 777);
        image.runs = runs;
        image.chain = true;
        CLEANUP(pool_freep) struct pool *pool = new_pool(&image, "zstd:1", false, 2);
        run(&image, pool);
        if (runs)
            assert_true(image.longest_run > 1);
        else
            assert_int_equal(image.longest_run, 1);
        assert_int_equal(image.puts, image_chunks(&image));
        assert_int_equal(image.chained, image_chunks(&image));
        assert_true(image.chained_right);
        assert_true(image_encoded_right(&image, "zstd:1"));
        image_clear(&image);
    }
}

static void test_long_runs_are_bounded_and_asked_for_once(void **state)
{
    const uint64_t chunks = 3 * WINDOW_RUN_MAX + 100;
    struct image image;

    (void)state;
    image_init(&image, "z", chunks, 777);
    image.runs = true;
    image.keep = false;
    CLEANUP(pool_freep) struct pool *pool = new_pool(&image, "zstd:1", false, 2);
    run(&image, pool);
    assert_int_equal(image.longest_run, WINDOW_RUN_MAX);
    /* the first, the last and what is left of a run are asked for by themselves */
    assert_in_range(image.looks, 4, 8);
    image_clear(&image);
}

static void test_one_zero_chunk_is_encoded_for_all(void **state)
{
    struct image image;

    (void)state;
    image_init(&image, "zzzzdzzr", 80, 100);
    CLEANUP(pool_freep) struct pool *pool = new_pool(&image, "lzma:0", false, 3);
    struct pool_stats stats = run(&image, pool);
    assert_int_equal(stats.zero_chunks, 71); /* the short one, which is 80 = z, too */
    assert_int_equal(image.reads, 20);       /* d and r */
    assert_true(image_encoded_right(&image, "lzma:0"));
    for (uint64_t id = 1; id < 80; id++) {
        if (image_kind(&image, id) != 'd') {
            assert_int_equal(image.stored[id].len, image.stored[0].len);
            assert_memory_equal(image.stored[id].data, image.stored[0].data, image.stored[0].len);
        }
    }
    image_clear(&image);
}

static void test_zeros_to_be_decoded_have_no_data(void **state)
{
    struct image image;

    (void)state;
    image_init(&image, "z", 5, 100);
    image.results = mem_array(6, sizeof(*image.results)); /* never looked at */
    CLEANUP(pool_freep) struct pool *pool = new_pool(&image, "zstd:1", true, 2);
    struct pool_stats stats = run(&image, pool);
    assert_int_equal(stats.zero_chunks, 6);
    assert_int_equal(image.reads, 0);
    for (uint64_t id = 0; id < 6; id++) {
        assert_int_equal(image.stored[id].kind, CHUNK_ZERO);
        assert_null(image.stored[id].data);
    }
    assert_true(image_decoded_right(&image)); /* digests */
    image_clear(&image);
    free((void *)(uintptr_t)image.results);
}

/* Compressed zeros look alike: what the first was decoded to, the others are too. */
static void zeros_are_decoded_once(const char *codec, bool ordered)
{
    struct image there, back;

    image_init(&there, "dzzz", 200, 99);
    CLEANUP(pool_freep) struct pool *encoding = new_pool(&there, codec, false, 2);
    run(&there, encoding);
    image_init(&back, "dzzz", 200, 99);
    back.pattern = "d"; /* nothing is known of the chunks */
    back.results = there.stored;
    back.ordered = ordered;
    CLEANUP(pool_freep) struct pool *decoding = new_pool(&back, codec, true, 2);
    struct pool_stats stats = run(&back, decoding);
    back.pattern = "dzzz";
    assert_true(image_decoded_right(&back));
    /* two or three may be under way before the first is done */
    assert_in_range(stats.zero_chunks, 140, 149);
    image_clear(&there);
    image_clear(&back);
}

static void test_compressed_zeros_are_decoded_once(void **state)
{
    (void)state;
    zeros_are_decoded_once("zstd:3", true);
    zeros_are_decoded_once("zstd:3", false);
    zeros_are_decoded_once("lzma:1", false);
}

static void many_zeros(bool decode, bool ordered, const char *pattern)
{
    struct image image;
    const uint64_t chunks = 1000 * 1000;

    image_init(&image, pattern, chunks, 0);
    image.keep = false;
    image.ordered = ordered;
    CLEANUP(pool_freep) struct pool *pool = new_pool(&image, "none", decode, 2);
    struct pool_stats stats = run(&image, pool);
    assert_int_equal(stats.zero_chunks, chunks);
}

static void test_millions_of_zero_chunks_cost_nothing(void **state)
{
    (void)state;
    many_zeros(false, true, "z");
    many_zeros(false, false, "z");
    many_zeros(true, true, "z");
}

/* ---- progress and memory --------------------------------------------------- */

static void test_the_cpu_time_of_the_children_is_told(void **state)
{
    struct image image;

    (void)state;
    image_init(&image, "d", 100, 0);
    image.keep = false;
    CLEANUP(pool_freep) struct pool *pool = new_pool(&image, "lzma:6", false, 2);
    struct pool_stats first = run(&image, pool);
    assert_int_equal(pool_children(pool), 2);
    /* 6 MiB of which half is noise: more than a few milliseconds anywhere, and never more than
     * two children can have */
    assert_in_range(first.children_cpu_ms, 50, 2 * first.elapsed_ms + 50);
    assert_true(first.wait_children_ms <= first.elapsed_ms);
    image_clear(&image);

    /* A second image is charged for itself only. */
    image_init(&image, "z", 10, 0);
    image.keep = false;
    struct pool_stats second = run(&image, pool);
    assert_true(second.children_cpu_ms < first.children_cpu_ms / 2);
    image_clear(&image);
}

static void note_progress(void *opaque, uint64_t raw_bytes_done)
{
    uint64_t *last = opaque;

    assert_true(raw_bytes_done >= *last);
    *last = raw_bytes_done;
}

static void test_progress_ends_with_all_bytes(void **state)
{
    struct image image;
    uint64_t done = 0;
    struct pool_progress progress = {.opaque = &done, .tick = note_progress};

    (void)state;
    image_init(&image, "dz", 10, 5);
    CLEANUP(pool_freep) struct pool *pool = new_pool(&image, "none", false, 2);
    struct chunk_source source = image_source(&image);
    struct chunk_sink sink = image_sink(&image);
    const struct pool_plugs plugs = {.source = &source, .sink = &sink, .progress = &progress};
    assert_int_equal(pool_run(pool, &plugs, NULL, NULL), 0);
    assert_int_equal(done, image.raw_size);
    image_clear(&image);
}

/* Kibibytes of a line of /proc/PID/smaps_rollup or status. */
static uint64_t kib_of(pid_t pid, const char *file_name, const char *name)
{
    CLEANUP_FREE char *path = mem_printf("/proc/%d/%s", (int)pid, file_name);
    CLEANUP_FCLOSE FILE *file = fopen(path, "re");
    CLEANUP_FREE char *line = NULL;
    size_t cap = 0;

    while (file && getline(&line, &cap, file) > 0) {
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
            return strtoull(line + strlen(name) + 1, NULL, 10);
    }
    return 0;
}

static uint64_t least_kib, most_kib;

/* All children have had chunks when one of the last is put. */
static void measure(struct image *image, uint64_t id)
{
    pid_t pids[4];
    size_t count = pool_pids(image->opaque, pids, 4);

    if (id != image_chunks(image) - 1)
        return;
    least_kib = UINT64_MAX;
    most_kib = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t kib = kib_of(pids[i], "status", "RssAnon") + kib_of(pids[i], "status", "RssShmem");
        least_kib = kib < least_kib ? kib : least_kib;
        most_kib = kib > most_kib ? kib : most_kib;
    }
}

static void test_all_children_take_the_same_memory_and_what_was_planned(void **state)
{
    struct sizing_host host = {.total_memory = 64 * GIB,
                               .available_memory = 64 * GIB,
                               .cgroup_limit = UINT64_MAX,
                               .cpus = 4};
    struct sizing_request request = {.chunk_size = MIB};
    struct sizing_plan plan;
    struct image image;

    (void)state;
    if (SANITIZED) /* its shadow memory would be counted too */
        skip();
    assert_int_equal(codec_parse("lzma:1", &request.codec, NULL), 0);
    assert_int_equal(sizing_plan(&host, &request, &plan, NULL), 0);
    image_init(&image, "d", 0, 0);
    image.chunk_size = MIB;
    image.raw_size = 16 * MIB;
    image.keep = false;
    struct child_settings settings = image_settings(&image, "lzma:1", false);
    settings.codec = plan.codec;
    CLEANUP(pool_freep) struct pool *pool = pool_new(spawner, &settings, 4, NULL);
    assert_non_null(pool);
    image.opaque = pool;
    image.on_put = measure;
    run(&image, pool);
    print_message("# children take %llu to %llu KiB, planned are %llu KiB\n",
                  (unsigned long long)least_kib, (unsigned long long)most_kib,
                  (unsigned long long)plan.child_memory / 1024);
    assert_true(most_kib - least_kib <= 1024);
    assert_true(most_kib <= plan.child_memory / 1024);
    assert_true(most_kib >= plan.child_memory / 1024 / 2);
}

static void test_the_pools_children_end_with_it(void **state)
{
    struct image image;
    pid_t pids[3];

    (void)state;
    image_init(&image, "d", 3, 0);
    struct pool *pool = new_pool(&image, "none", false, 3);
    assert_int_equal(pool_pids(pool, pids, 3), 3);
    run(&image, pool);
    pool_free(pool);
    for (int i = 0; i < 3; i++)
        assert_int_equal(kill(pids[i], 0), -1);
    image_clear(&image);
}

struct waiting {
    uint64_t for_reads;
    bool seen;
};

/* The first put lasts until so many chunks were read. */
static void wait_for_reads(struct image *image, uint64_t id)
{
    struct waiting *waiting = image->opaque;

    for (int i = 0; id == 0 && i < 10000 && !waiting->seen; i++) {
        waiting->seen = image->reads >= waiting->for_reads;
        usleep(1000);
    }
}

static void reads_during_the_first_put(const char *codec, bool decode, unsigned children,
                                       uint64_t reads)
{
    struct waiting waiting = {.for_reads = reads};
    struct image there, back;

    image_init(&there, "d", 20, 0);
    image_init(&back, "d", 20, 0);
    *(decode ? &back.on_put : &there.on_put) = wait_for_reads;
    there.opaque = back.opaque = &waiting;
    CLEANUP(pool_freep) struct pool *encoding = new_pool(&there, codec, false, children);
    run(&there, encoding);
    assert_true(image_encoded_right(&there, codec));
    if (decode) {
        back.results = there.stored;
        CLEANUP(pool_freep) struct pool *decoding = new_pool(&back, codec, true, children);
        run(&back, decoding);
        assert_true(image_decoded_right(&back));
    }
    assert_true(waiting.seen);
    image_clear(&there);
    image_clear(&back);
}

/* As long as there is a free area in one of them. */
static void test_children_go_on_while_the_sink_waits(void **state)
{
    (void)state;
    reads_during_the_first_put("zstd:1", false, 3, 3 * SHARED_AREAS);
    reads_during_the_first_put("none", false, 3, 3 * SHARED_AREAS);
    reads_during_the_first_put("zstd:1", true, 2, 2 * SHARED_AREAS);
}

static void test_a_chunk_is_read_before_the_child_can_take_it(void **state)
{
    (void)state;
    reads_during_the_first_put("zstd:1", false, 1, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_to_four_children_in_order),
        cmocka_unit_test(test_one_to_four_children_in_any_order),
        cmocka_unit_test(test_digests_are_chained_in_order_whatever_the_puts_order),
        cmocka_unit_test(test_children_go_on_while_the_sink_waits),
        cmocka_unit_test(test_a_chunk_is_read_before_the_child_can_take_it),
        cmocka_unit_test(test_every_codec),
        cmocka_unit_test(test_images_of_few_and_no_chunks),
        cmocka_unit_test(test_one_pool_serves_many_images),
        cmocka_unit_test(test_runs_of_zeros_come_as_one_to_who_takes_them),
        cmocka_unit_test(test_long_runs_are_bounded_and_asked_for_once),
        cmocka_unit_test(test_one_zero_chunk_is_encoded_for_all),
        cmocka_unit_test(test_zeros_to_be_decoded_have_no_data),
        cmocka_unit_test(test_compressed_zeros_are_decoded_once),
        cmocka_unit_test(test_millions_of_zero_chunks_cost_nothing),
        cmocka_unit_test(test_the_cpu_time_of_the_children_is_told),
        cmocka_unit_test(test_progress_ends_with_all_bytes),
        cmocka_unit_test(test_all_children_take_the_same_memory_and_what_was_planned),
        cmocka_unit_test(test_the_pools_children_end_with_it),
    };

    return cmocka_run_group_tests_name("mtcp pool", tests, start_spawner, end_spawner);
}
