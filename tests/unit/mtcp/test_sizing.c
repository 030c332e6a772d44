/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/units.h"
#include "harness.h"
#include "mtcp/shared.h"
#include "mtcp/sizing.h"

/* ---- the formula ----------------------------------------------------------- */

static void test_child_count_follows_the_formula(void **state)
{
    (void)state;
    assert_int_equal(sizing_child_count(1957 * MIB, 60 * MIB), 28);
    assert_int_equal(sizing_child_count(1957 * MIB, 800 * MIB), 2);
}

static void test_child_count_is_zero_when_nothing_fits(void **state)
{
    (void)state;
    assert_int_equal(sizing_child_count(0, 60 * MIB), 0);
    assert_int_equal(sizing_child_count(256 * MIB, 1), 0);
    assert_int_equal(sizing_child_count(256 * MIB + 1, 1), 1);
    assert_int_equal(sizing_child_count(315 * MIB, 60 * MIB), 0);
    assert_int_equal(sizing_child_count(316 * MIB, 60 * MIB), 1);
    assert_int_equal(sizing_child_count(1957 * MIB, 0), 0);
    assert_true(sizing_child_count(UINT64_MAX, UINT64_MAX) == 0);
}

/* ---- the plan -------------------------------------------------------------- */

static struct sizing_host big_host(void)
{
    return (struct sizing_host){.total_memory = 64 * GIB,
                                .available_memory = 64 * GIB,
                                .cgroup_limit = UINT64_MAX,
                                .cpus = 4};
}

static struct sizing_request request_of(const char *codec)
{
    struct sizing_request request = {0};

    assert_int_equal(codec_parse(codec, &request.codec, NULL), 0);
    return request;
}

static struct sizing_plan plan_of(const struct sizing_host *host,
                                  const struct sizing_request *request)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct sizing_plan plan;

    if (sizing_plan(host, request, &plan, &err) < 0)
        fail_msg("%s", err.text);
    return plan;
}

static void expect_refused(const struct sizing_host *host, const struct sizing_request *request,
                           const char *first, const char *second)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct sizing_plan plan;

    assert_int_equal(sizing_plan(host, request, &plan, &err), -1);
    assert_int_equal(err.kind, ERR_USAGE);
    if (!strstr(err.text, first) || !strstr(err.text, second))
        fail_msg("'%s' and '%s' are expected in: %s", first, second, err.text);
}

static void test_a_child_takes_encoder_buffers_and_window(void **state)
{
    struct sizing_host host = big_host();
    struct sizing_request request = request_of("lzma:6");
    struct sizing_plan plan = plan_of(&host, &request);
    struct child_settings settings = {.codec = plan.codec, .chunk_size = plan.chunk_size};
    struct shared_layout layout;

    (void)state;
    shared_layout(&settings, &layout);
    assert_int_equal(plan.chunk_size, codec_default_chunk_size(&request.codec));
    assert_int_equal(plan.encoder_memory, codec_encoder_memory(&plan.codec));
    assert_int_equal(plan.child_memory, plan.encoder_memory + layout.total_size + SIZING_PROCESS);
    assert_int_equal(plan.children_allowed, (64 * GIB - 256 * MIB) / plan.child_memory);
}

static void test_a_few_children_more_than_cpus(void **state)
{
    struct sizing_host host = big_host();
    struct sizing_request request = request_of("zstd");

    (void)state;
    assert_int_equal(plan_of(&host, &request).children, 5);
    request.decode = true;
    assert_int_equal(plan_of(&host, &request).children, 7);
    request = request_of("none");
    assert_int_equal(plan_of(&host, &request).children, 7);
    request = request_of("zstd");
    request.children = 17;
    assert_int_equal(plan_of(&host, &request).children, 17);
    request.image_chunks = 3;
    assert_int_equal(plan_of(&host, &request).children, 3);
}

static void test_total_is_the_least_of_machine_group_and_limit(void **state)
{
    struct sizing_host host = big_host();
    struct sizing_request request = request_of("none");

    (void)state;
    assert_true(plan_of(&host, &request).total_memory == 64 * GIB);
    host.cgroup_limit = 8 * GIB;
    assert_true(plan_of(&host, &request).total_memory == 8 * GIB);
    request.memory_limit = 9 * GIB;
    assert_true(plan_of(&host, &request).total_memory == 8 * GIB);
    request.memory_limit = 2 * GIB;
    struct sizing_plan plan = plan_of(&host, &request);
    assert_true(plan.total_memory == 2 * GIB);
    assert_int_equal(plan.children_allowed, sizing_child_count(2 * GIB, plan.child_memory));
}

static void test_children_never_take_more_than_is_available(void **state)
{
    struct sizing_host host = big_host();
    struct sizing_request request = request_of("lzma:6");
    uint64_t child = plan_of(&host, &request).child_memory;

    (void)state;
    host.available_memory = 2 * child + SIZING_MARGIN;
    struct sizing_plan plan = plan_of(&host, &request);
    assert_int_equal(plan.children_allowed, 2);
    assert_int_equal(plan.children, 2);
    host.available_memory--;
    assert_int_equal(plan_of(&host, &request).children, 1);
    request.children = 2; /* never lowered silently */
    expect_refused(&host, &request, "2 child processes with lzma:6 take", "at most 1 fit");
    request.image_chunks = 1; /* nor when the image would lower it */
    expect_refused(&host, &request, "2 child processes with lzma:6 take", "at most 1 fit");
}

static void test_no_child_fits_names_a_lower_level(void **state)
{
    struct sizing_host host = big_host();
    struct sizing_request request = request_of("lzma:9");

    (void)state;
    request.memory_limit = 512 * MIB;
    expect_refused(&host, &request, "not even one child process fits: with lzma:9 it takes",
                   "--compression lzma:");
    /* and what it names does fit */
    CLEANUP_ERR struct err err = ERR_INIT;
    struct sizing_plan plan;
    assert_int_equal(sizing_plan(&host, &request, &plan, &err), -1);
    struct sizing_request lower = request;
    char name[8] = {0};
    assert_int_equal(sscanf(strstr(err.text, "--compression ") + 14, "%7s", name), 1);
    assert_int_equal(codec_parse(name, &lower.codec, NULL), 0);
    assert_true(plan_of(&host, &lower).children >= 1);
}

static void test_nothing_fits_at_all(void **state)
{
    struct sizing_host host = big_host();
    struct sizing_request request = request_of("lzma:9");

    (void)state;
    request.memory_limit = 256 * MIB;
    expect_refused(&host, &request, "only 0 B may be used", "raise the limit");
    host.available_memory = 0;
    request = request_of("none");
    expect_refused(&host, &request, "not even one child process fits", "free some memory");
}

/* All of it: encoder, inputs and outputs, the process. */
static uint64_t taken_by(const struct sizing_plan *plan)
{
    struct child_settings settings = {.codec = plan->codec, .chunk_size = plan->chunk_size};
    struct shared_layout layout;

    shared_layout(&settings, &layout);
    return plan->encoder_memory + layout.total_size + SIZING_PROCESS;
}

static void test_compression_buffer_is_the_formulas_buffer_size(void **state)
{
    static const struct {
        const char *codec;
        uint64_t buffer;
        unsigned children;
    } rows[] = {
        {"lzma:5", 60 * MIB, 28}, {"lzma:9", 800 * MIB, 2},   {"lzma:0", 10 * MIB, 170},
        {"zstd:3", 60 * MIB, 28}, {"zstd:19", 100 * MIB, 17},
    };
    struct sizing_host host = {.total_memory = 1957 * MIB,
                               .available_memory = 1957 * MIB,
                               .cgroup_limit = UINT64_MAX,
                               .cpus = 4};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sizing_request request = request_of(rows[i].codec);
        request.compression_buffer = rows[i].buffer;
        struct sizing_plan plan = plan_of(&host, &request);
        assert_int_equal(plan.children_allowed, rows[i].children);
        assert_int_equal(plan.child_memory, rows[i].buffer);
        assert_true(taken_by(&plan) <= rows[i].buffer);
        request.children = rows[i].children;
        assert_int_equal(plan_of(&host, &request).children, rows[i].children);
        request.children++;
        expect_refused(&host, &request, rows[i].codec, "at most");
    }
}

static void test_a_larger_buffer_has_no_smaller_dictionary(void **state)
{
    struct sizing_host host = big_host();
    struct sizing_request request = request_of("lzma:6");
    uint64_t last = 0;

    (void)state;
    for (uint64_t buffer = 10 * MIB; buffer <= 8 * GIB; buffer += buffer / 5) {
        request.compression_buffer = buffer;
        struct sizing_plan plan = plan_of(&host, &request);
        assert_true(plan.codec.dict_size >= last);
        assert_true(plan.codec.dict_size <= plan.chunk_size);
        assert_true(plan.chunk_size <= codec_default_chunk_size(&plan.codec));
        assert_true(taken_by(&plan) <= buffer);
        last = plan.codec.dict_size;
    }
    assert_true(last >= 256 * MIB);
}

static void test_chunk_size_that_does_not_fit_the_buffer_is_refused(void **state)
{
    struct sizing_host host = big_host();
    struct sizing_request request = request_of("lzma:5");

    (void)state;
    request.compression_buffer = 60 * MIB;
    request.chunk_size = 16 * MIB;
    expect_refused(&host, &request,
                   "lzma:5 with chunks of 16 MiB does not fit in a compression "
                   "buffer of 60 MiB",
                   "--chunk-size");
    request.chunk_size = 8 * MIB;
    struct sizing_plan plan = plan_of(&host, &request);
    assert_int_equal(plan.chunk_size, 8 * MIB);
    assert_true(taken_by(&plan) <= 60 * MIB);
}

static void test_compression_buffer_overrides_the_level(void **state)
{
    struct sizing_host host = big_host();
    struct sizing_request request = request_of("lzma:9");
    uint64_t own = plan_of(&host, &request).encoder_memory;

    (void)state;
    request.compression_buffer = 100 * MIB;
    struct sizing_plan plan = plan_of(&host, &request);
    assert_int_equal(plan.child_memory, 100 * MIB);
    assert_true(taken_by(&plan) <= 100 * MIB && plan.encoder_memory < own);
    assert_true(plan.encoder_memory > 40 * MIB);
    assert_true(plan.codec.dict_size > 0 && plan.codec.dict_size <= plan.chunk_size);
    assert_int_equal(plan.encoder_memory, codec_encoder_memory(&plan.codec));

    request.compression_buffer = 1000;
    expect_refused(&host, &request, "lzma:9 does not fit in a compression buffer of 1000 B",
                   "at least");
    request = request_of("none");
    request.compression_buffer = MIB;
    expect_refused(&host, &request, "none", "");
    request = request_of("lzma");
    request.compression_buffer = 100 * MIB;
    request.decode = true;
    expect_refused(&host, &request, "decompression", "");
}

static void test_compression_buffer_that_does_not_fit_is_refused(void **state)
{
    struct sizing_host host = big_host();
    struct sizing_request request = request_of("lzma:9");

    (void)state;
    request.memory_limit = 600 * MIB;
    request.compression_buffer = 2 * GIB;
    expect_refused(&host, &request, "not even one child process fits", "600");
    expect_refused(&host, &request, "it takes 2 GiB", "smaller --compression-buffer");
}

static void test_chunk_size_is_checked(void **state)
{
    static const uint64_t bad[] = {1, 32 * KIB, 65537, 100 * KIB, 1 * GIB, UINT64_MAX};
    struct sizing_host host = big_host();
    struct sizing_request request = request_of("none");

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        request.chunk_size = bad[i];
        expect_refused(&host, &request, "power of two", "64 KiB");
    }
    request.chunk_size = 512 * MIB;
    assert_int_equal(plan_of(&host, &request).chunk_size, 512 * MIB);
    request.children = SIZING_MAX_CHILDREN + 1;
    expect_refused(&host, &request, "too many", "1024");
}

static void test_decoding_takes_the_decoders_memory(void **state)
{
    struct sizing_host host = big_host();
    struct sizing_request request = request_of("lzma:9");

    (void)state;
    request.decode = true;
    struct sizing_plan plan = plan_of(&host, &request);
    assert_int_equal(plan.encoder_memory, codec_decoder_memory(&request.codec));
    request.memory_limit = 300 * MIB;
    expect_refused(&host, &request, "not even one child process fits", "raise the limit");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_child_count_follows_the_formula),
        cmocka_unit_test(test_child_count_is_zero_when_nothing_fits),
        cmocka_unit_test(test_a_child_takes_encoder_buffers_and_window),
        cmocka_unit_test(test_a_few_children_more_than_cpus),
        cmocka_unit_test(test_total_is_the_least_of_machine_group_and_limit),
        cmocka_unit_test(test_children_never_take_more_than_is_available),
        cmocka_unit_test(test_no_child_fits_names_a_lower_level),
        cmocka_unit_test(test_nothing_fits_at_all),
        cmocka_unit_test(test_compression_buffer_is_the_formulas_buffer_size),
        cmocka_unit_test(test_a_larger_buffer_has_no_smaller_dictionary),
        cmocka_unit_test(test_chunk_size_that_does_not_fit_the_buffer_is_refused),
        cmocka_unit_test(test_compression_buffer_overrides_the_level),
        cmocka_unit_test(test_compression_buffer_that_does_not_fit_is_refused),
        cmocka_unit_test(test_chunk_size_is_checked),
        cmocka_unit_test(test_decoding_takes_the_decoders_memory),
    };

    return cmocka_run_group_tests_name("mtcp sizing", tests, NULL, NULL);
}
