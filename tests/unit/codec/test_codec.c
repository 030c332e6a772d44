/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Names and levels of the codecs, and the memory figures that the number of
 * child processes is reckoned from.
 */
#include "codec/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "base/units.h"
#include "codec/chunk_digest.h"
#include "sample.h"

static const char *const all_levels[] = {
    "none",    "lzma:0",  "lzma:1",  "lzma:2",  "lzma:3",  "lzma:4",  "lzma:5",  "lzma:6",
    "lzma:7",  "lzma:8",  "lzma:9",  "lzma:0e", "lzma:1e", "lzma:2e", "lzma:3e", "lzma:4e",
    "lzma:5e", "lzma:6e", "lzma:7e", "lzma:8e", "lzma:9e", "zstd:1",  "zstd:2",  "zstd:3",
    "zstd:4",  "zstd:5",  "zstd:6",  "zstd:7",  "zstd:8",  "zstd:9",  "zstd:10", "zstd:11",
    "zstd:12", "zstd:13", "zstd:14", "zstd:15", "zstd:16", "zstd:17", "zstd:18", "zstd:19",
};
#define LEVEL_COUNT (sizeof(all_levels) / sizeof(all_levels[0]))

/* ---- names ------------------------------------------------------------------ */

static void every_level_is_read_and_written_alike(void **state)
{
    char text[CODEC_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < LEVEL_COUNT; i++) {
        struct codec_spec spec = sample_spec(all_levels[i]);
        assert_string_equal(codec_format(&spec, text), all_levels[i]);
        assert_int_equal(spec.dict_size, 0);
    }
}

static void names_are_read_in_any_case_and_levels_have_defaults(void **state)
{
    static const struct {
        const char *given, *meant;
    } cases[] = {
        {"NONE", "none"},   {"None", "none"},       {"lzma", "lzma:6"},    {"LZMA", "lzma:6"},
        {"Lzma", "lzma:6"}, {"LZMA:9E", "lzma:9e"}, {"zstd", "zstd:3"},    {"ZSTD:19", "zstd:19"},
        {"zStD", "zstd:3"}, {"lzma:06", "lzma:6"},  {"zstd:03", "zstd:3"},
    };
    char text[CODEC_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct codec_spec spec = sample_spec(cases[i].given);
        assert_string_equal(codec_format(&spec, text), cases[i].meant);
    }
}

static void a_wrong_compression_is_refused_and_told_what_there_is(void **state)
{
    static const struct {
        const char *given, *told;
    } cases[] = {
        {"", "none, lzma[:0-9[e]] or zstd[:1-19]"},
        {"gzip", "none, lzma[:0-9[e]] or zstd[:1-19]"},
        {"lzma2", "none, lzma[:0-9[e]] or zstd[:1-19]"},
        {"lzm", "none, lzma[:0-9[e]] or zstd[:1-19]"},
        {" lzma", "none, lzma[:0-9[e]] or zstd[:1-19]"},
        {":6", "none, lzma[:0-9[e]] or zstd[:1-19]"},
        {"none:1", "none has no level"},
        {"none:", "none has no level"},
        {"lzma:", "the level of lzma is 0 to 9"},
        {"lzma:10", "the level of lzma is 0 to 9"},
        {"lzma:e", "the level of lzma is 0 to 9"},
        {"lzma:6ee", "the level of lzma is 0 to 9"},
        {"lzma:-1", "the level of lzma is 0 to 9"},
        {"lzma:+6", "the level of lzma is 0 to 9"},
        {"lzma: 6", "the level of lzma is 0 to 9"},
        {"lzma:6 ", "the level of lzma is 0 to 9"},
        {"lzma:006", "the level of lzma is 0 to 9"},
        {"lzma:6:6", "the level of lzma is 0 to 9"},
        {"zstd:0", "the level of zstd is 1 to 19"},
        {"zstd:20", "the level of zstd is 1 to 19"},
        {"zstd:-5", "the level of zstd is 1 to 19"},
        {"zstd:3e", "the level of zstd is 1 to 19"},
        {"zstd:4294967299", "the level of zstd is 1 to 19"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err CLEANUP_ERR = ERR_INIT;
        struct codec_spec spec = {.level = 77};
        assert_int_equal(codec_parse(cases[i].given, &spec, &err), -1);
        assert_int_equal(err.kind, ERR_USAGE);
        if (!strstr(err.text, cases[i].told))
            fail_msg("'%s' is answered by: %s", cases[i].given, err.text);
        assert_int_equal(spec.level, 77);
    }
}

static void stored_files_have_the_suffix_of_their_tool(void **state)
{
    (void)state;
    assert_string_equal(codec_suffix(CODEC_NONE), "");
    assert_string_equal(codec_suffix(CODEC_LZMA), ".xz");
    assert_string_equal(codec_suffix(CODEC_ZSTD), ".zst");
}

static void a_spec_that_no_option_makes_starts_no_encoder(void **state)
{
    static const struct codec_spec specs[] = {
        {.type = (enum codec_type)3},
        {.type = CODEC_LZMA, .level = 10},
        {.type = CODEC_ZSTD, .level = 0},
        {.type = CODEC_ZSTD, .level = 20},
        {.type = CODEC_ZSTD, .level = 3, .extreme = true},
        {.type = CODEC_NONE, .level = 1},
        {.type = CODEC_NONE, .dict_size = 4096},
        {.type = CODEC_LZMA, .level = 6, .dict_size = 5000},
        {.type = CODEC_LZMA, .level = 6, .dict_size = UINT64_C(1) << 30},
        {.type = CODEC_ZSTD, .level = 3, .dict_size = UINT64_C(1) << 28},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        struct err err CLEANUP_ERR = ERR_INIT;
        assert_null(encoder_new(&specs[i], CODEC_CHUNK_MIN, &err));
        assert_int_equal(err.kind, ERR_INTERNAL);
    }

    struct codec_spec good = sample_spec("lzma");
    static const uint64_t sizes[] = {0, 4096, CODEC_CHUNK_MIN + 1, 3 * CODEC_CHUNK_MIN,
                                     2 * CODEC_CHUNK_MAX};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_null(encoder_new(&good, sizes[i], NULL));
        assert_null(decoder_new(CODEC_LZMA, sizes[i], 64 * MIB, NULL));
    }
}

/* ---- figures ---------------------------------------------------------------- */

static void default_chunk_sizes_suit_the_dictionary(void **state)
{
    static const struct {
        const char *spec;
        uint64_t chunk;
    } cases[] = {
        {"none", MIB},        {"lzma:0", 16 * MIB},  {"lzma:1", 16 * MIB},  {"lzma:3", 16 * MIB},
        {"lzma:6", 16 * MIB}, {"lzma:6e", 16 * MIB}, {"lzma:9", 128 * MIB}, {"zstd:1", 4 * MIB},
        {"zstd:3", 8 * MIB},  {"zstd:19", 16 * MIB},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct codec_spec spec = sample_spec(cases[i].spec);
        assert_int_equal(codec_default_chunk_size(&spec), cases[i].chunk);
    }
    for (size_t i = 0; i < LEVEL_COUNT; i++) {
        struct codec_spec spec = sample_spec(all_levels[i]);
        uint64_t size = codec_default_chunk_size(&spec);
        assert_true(units_is_power_of_two(size));
        assert_in_range(size, CODEC_CHUNK_MIN, CODEC_CHUNK_MAX);
    }
}

static void lzma_figures_are_those_of_the_xz_manual(void **state)
{
    /* CompCpu and memory of xz(1), in MiB; looking at a chunk first takes some more. Its digest
     * is of no encoder. */
    static const unsigned manual[] = {3, 9, 17, 32, 48, 94, 94, 186, 370, 674};

    (void)state;
    for (unsigned level = 0; level <= 9; level++) {
        struct codec_spec spec = {.type = CODEC_LZMA, .level = level};
        assert_in_range(codec_encoder_memory(&spec) - chunk_digest_memory(),
                        (manual[level] - 1) * MIB, (manual[level] + 3) * MIB);
    }
}

static void check_encoder_memory(const struct codec_spec *spec)
{
    uint64_t chunk = codec_default_chunk_size(spec);
    size_t cap = codec_result_bound(spec, chunk);
    size_t raw_len = spec->type == CODEC_ZSTD ? (size_t)chunk : 1664 * KIB;
    uint8_t *raw CLEANUP_FREE =
        sample_new(spec->type == CODEC_ZSTD ? SAMPLE_ZEROS : SAMPLE_TEXT, 1, raw_len);
    uint8_t *result CLEANUP_FREE = malloc(cap);
    char name[CODEC_TEXT_SIZE];

    if (spec->type == CODEC_ZSTD) {
        /* Something for each of the contexts that an encoder may have. The zeros between cost
         * little time and no less memory. */
        for (size_t at = 0; at + 128 * KIB <= raw_len; at += 512 * KIB)
            sample_fill(at < raw_len / 2 ? SAMPLE_TEXT : SAMPLE_RANDOM, at + 1, raw + at,
                        128 * KIB);
    } else {
        /* Copies far from each other, for which lzma takes all of its dictionary. */
        memset(raw + 64 * KIB, 'a', raw_len - 64 * KIB);
        memcpy(raw + raw_len - 64 * KIB, raw, 64 * KIB);
    }
    size_t before = sample_allocated();
    struct encoder *encoder CLEANUP(encoder_freep) = encoder_new(spec, chunk, NULL);
    assert_non_null(encoder);
    struct codec_room room = {result, cap};
    assert_int_equal(encoder_encode(encoder, raw, raw_len, &room, NULL), 0);
    uint64_t real = sample_allocated() - before;
    uint64_t figure = codec_encoder_memory(spec);
    /* A small piece of data makes the look at it cheaper too, and a trial gives its memory back. */
    if (real > figure + 4096 || figure > real + real / 10 * 3 + 2 * MIB)
        fail_msg("%s with a dictionary of %llu: %llu bytes are allocated, the figure is %llu",
                 codec_format(spec, name), (unsigned long long)spec->dict_size,
                 (unsigned long long)real, (unsigned long long)figure);
}

static void figures_are_what_encoders_allocate(void **state)
{
    (void)state;
    if (SANITIZED)
        skip();
    for (size_t i = 1; i < LEVEL_COUNT; i++) {
        struct codec_spec spec = sample_spec(all_levels[i]);
        check_encoder_memory(&spec);
    }
}

static void figures_hold_with_other_dictionaries_and_small_chunks(void **state)
{
    static const char *const specs[] = {"lzma:0", "lzma:6", "lzma:9",  "zstd:1",
                                        "zstd:3", "zstd:9", "zstd:16", "zstd:19"};
    static const uint64_t budgets[] = {3 * MIB, 10 * MIB, 60 * MIB};

    (void)state;
    if (SANITIZED)
        skip();
    for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        for (size_t k = 0; k < sizeof(budgets) / sizeof(budgets[0]); k++) {
            struct codec_spec spec = sample_spec(specs[i]);
            if (codec_fit_memory(&spec, budgets[k], NULL) == 0)
                check_encoder_memory(&spec);
        }
        struct codec_spec spec = sample_spec(specs[i]);
        codec_fit_chunk(&spec, MIB);
        check_encoder_memory(&spec);
    }
}

static void an_encoder_keeps_its_memory_between_chunks(void **state)
{
    static const char *const specs[] = {"lzma:1", "lzma:6", "zstd:3", "zstd:19"};

    (void)state;
    if (SANITIZED)
        skip();
    uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_TEXT, 1, 256 * KIB);
    for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        struct codec_spec spec = sample_spec(specs[i]);
        size_t cap = codec_result_bound(&spec, 256 * KIB);
        uint8_t *result CLEANUP_FREE = malloc(cap);
        struct encoder *encoder CLEANUP(encoder_freep) = encoder_new(&spec, 256 * KIB, NULL);
        size_t first = 0;
        for (size_t run = 0; run < 3; run++) {
            /* The last chunk of an image is short. */
            size_t raw_len = run < 2 ? 256 * KIB : 5000;
            struct codec_room room = {result, cap};
            assert_int_equal(encoder_encode(encoder, raw, raw_len, &room, NULL), 0);
            if (run == 0)
                first = sample_allocated();
            /* malloc counts what it keeps for the next small piece */
            assert_in_range(sample_allocated(), first - 4096, first + 4096);
        }
    }
}

static void a_memory_budget_is_used_and_never_exceeded(void **state)
{
    static const uint64_t budgets[] = {2 * MIB,   3 * MIB,   6 * MIB,   20 * MIB, 60 * MIB,
                                       100 * MIB, 300 * MIB, 800 * MIB, 2 * GIB};

    (void)state;
    for (size_t i = 1; i < LEVEL_COUNT; i++) {
        for (size_t k = 0; k < sizeof(budgets) / sizeof(budgets[0]); k++) {
            struct codec_spec own = sample_spec(all_levels[i]);
            struct codec_spec spec = own;
            struct err err CLEANUP_ERR = ERR_INIT;
            if (codec_fit_memory(&spec, budgets[k], &err) < 0) {
                assert_int_equal(err.kind, ERR_USAGE);
                assert_non_null(strstr(err.text, "it takes at least"));
                assert_int_equal(spec.dict_size, 0);
                continue;
            }
            assert_true(codec_encoder_memory(&spec) <= budgets[k]);
            if (codec_encoder_memory(&own) <= budgets[k])
                assert_true(codec_encoder_memory(&spec) >= codec_encoder_memory(&own));
            assert_true(codec_default_chunk_size(&spec) <= CODEC_CHUNK_MAX);
        }
    }
}

static void a_budget_gives_the_dictionary_that_fits(void **state)
{
    struct codec_spec spec = sample_spec("lzma:6");

    (void)state;
    assert_int_equal(codec_fit_memory(&spec, codec_encoder_memory(&spec), NULL), 0);
    assert_int_equal(spec.dict_size, 8 * MIB);
    assert_int_equal(codec_fit_memory(&spec, codec_encoder_memory(&spec) - 1, NULL), 0);
    assert_int_equal(spec.dict_size, 6 * MIB);
    assert_int_equal(codec_fit_memory(&spec, 700 * MIB, NULL), 0);
    assert_int_equal(spec.dict_size, 64 * MIB);

    spec = sample_spec("zstd:3");
    assert_int_equal(codec_fit_memory(&spec, codec_encoder_memory(&spec), NULL), 0);
    assert_int_equal(spec.dict_size, 8 * MIB);
    assert_int_equal(codec_fit_memory(&spec, 20 * MIB, NULL), 0);
    assert_true(spec.dict_size > 8 * MIB);
    spec = sample_spec("zstd:19");
    assert_int_equal(codec_fit_memory(&spec, 20 * MIB, NULL), 0);
    assert_in_range(spec.dict_size, MIB, 4 * MIB);
}

static void a_codec_without_a_dictionary_takes_no_budget(void **state)
{
    struct codec_spec spec = sample_spec("none");
    struct err err CLEANUP_ERR = ERR_INIT;

    (void)state;
    assert_int_equal(codec_fit_memory(&spec, 100 * MIB, &err), -1);
    assert_int_equal(err.kind, ERR_USAGE);
}

static void small_chunks_need_less_memory(void **state)
{
    struct codec_spec spec = sample_spec("lzma:9");

    (void)state;
    codec_fit_chunk(&spec, 64 * MIB);
    assert_int_equal(spec.dict_size, 0);
    codec_fit_chunk(&spec, MIB);
    assert_int_equal(spec.dict_size, MIB);
    assert_true(codec_encoder_memory(&spec) < 20 * MIB);
}

static void lower_levels_lead_down_to_the_smallest(void **state)
{
    static const struct {
        const char *from, *to;
    } cases[] = {
        {"lzma:9", "lzma:8"},  {"lzma:9e", "lzma:8e"}, {"lzma:6", "lzma:4"},
        {"lzma:3e", "lzma:3"}, {"zstd:19", "zstd:18"}, {"zstd:13", "zstd:11"},
    };
    char text[CODEC_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct codec_spec spec = sample_spec(cases[i].from);
        assert_true(codec_next_lower(&spec, &spec));
        assert_string_equal(codec_format(&spec, text), cases[i].to);
    }
    for (size_t i = 0; i < LEVEL_COUNT; i++) {
        struct codec_spec spec = sample_spec(all_levels[i]);
        uint64_t memory = codec_encoder_memory(&spec);
        while (codec_next_lower(&spec, &spec)) {
            assert_true(codec_encoder_memory(&spec) < memory);
            memory = codec_encoder_memory(&spec);
        }
        assert_in_range(spec.level, 0, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_is_read_and_written_alike),
        cmocka_unit_test(names_are_read_in_any_case_and_levels_have_defaults),
        cmocka_unit_test(a_wrong_compression_is_refused_and_told_what_there_is),
        cmocka_unit_test(stored_files_have_the_suffix_of_their_tool),
        cmocka_unit_test(a_spec_that_no_option_makes_starts_no_encoder),
        cmocka_unit_test(default_chunk_sizes_suit_the_dictionary),
        cmocka_unit_test(lzma_figures_are_those_of_the_xz_manual),
        cmocka_unit_test(figures_are_what_encoders_allocate),
        cmocka_unit_test(figures_hold_with_other_dictionaries_and_small_chunks),
        cmocka_unit_test(an_encoder_keeps_its_memory_between_chunks),
        cmocka_unit_test(a_memory_budget_is_used_and_never_exceeded),
        cmocka_unit_test(a_budget_gives_the_dictionary_that_fits),
        cmocka_unit_test(a_codec_without_a_dictionary_takes_no_budget),
        cmocka_unit_test(small_chunks_need_less_memory),
        cmocka_unit_test(lower_levels_lead_down_to_the_smallest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
