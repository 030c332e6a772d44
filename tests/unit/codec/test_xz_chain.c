/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which filters a chunk is given: the x86 filter for code, a short dictionary where
 * nothing is lost by it.
 */
#include "codec/xz_chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/units.h"
#include "codec/repeats.h"
#include "../chance.h"
#include "sample.h"

#define CHUNK (8 * MIB)

static uint64_t seed;

struct choice {
    bool bcj;
    uint32_t dictionary;
};

static struct choice read_choice(const lzma_filter *filters)
{
    struct choice choice = {.bcj = filters->id == LZMA_FILTER_X86};

    filters += choice.bcj;
    assert_int_equal(filters[0].id, LZMA_FILTER_LZMA2);
    assert_true(filters[1].id == LZMA_VLI_UNKNOWN);
    choice.dictionary = ((const lzma_options_lzma *)filters[0].options)->dict_size;
    return choice;
}

static struct choice choose_from(struct xz_chain *chain, const uint8_t *raw,
                                 const struct piece *pieces, size_t count)
{
    const struct xz_chain_chunk chunk = {raw, pieces, count};
    const lzma_filter *filters = xz_chain_choose(chain, &chunk, NULL);

    assert_non_null(filters);
    return read_choice(filters);
}

static struct choice choose(const char *spec_text, const uint8_t *raw, size_t len)
{
    struct codec_spec spec = sample_spec(spec_text);
    struct xz_chain *chain CLEANUP(xz_chain_freep) = xz_chain_new(&spec, CHUNK, NULL);
    const struct piece piece = {.len = len, .kind = PIECE_ENCODED};

    assert_non_null(chain);
    return choose_from(chain, raw, &piece, 1);
}

static void code_gets_the_x86_filter_and_nothing_else_does(void **state)
{
    uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_TEXT, seed, 4 * MIB);

    (void)state;
    assert_false(choose("lzma:6", raw, 4 * MIB).bcj);
    assert_false(choose("lzma:0", raw, 100).bcj);
    sample_fill(SAMPLE_CODE, seed, raw, 4 * MIB);
    assert_true(choose("lzma:6", raw, 4 * MIB).bcj);
    assert_true(choose("lzma:9e", raw, 4 * MIB).bcj);
    assert_true(choose("lzma:0", raw, 50000).bcj);
}

static void code_is_found_in_a_part_of_the_chunk(void **state)
{
    struct codec_spec spec = sample_spec("lzma:6");
    struct xz_chain *chain CLEANUP(xz_chain_freep) = xz_chain_new(&spec, CHUNK, NULL);
    uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_TEXT, seed, 4 * MIB);
    struct piece pieces[] = {{.len = MIB, .kind = PIECE_STORED},
                             {.len = MIB, .kind = PIECE_ENCODED},
                             {.len = MIB, .kind = PIECE_ZEROS},
                             {.len = MIB, .kind = PIECE_ENCODED}};

    (void)state;
    sample_fill(SAMPLE_CODE, seed, raw + 3 * MIB, MIB);
    assert_true(choose_from(chain, raw, pieces, 4).bcj);
    pieces[3].kind = PIECE_STORED;
    assert_false(choose_from(chain, raw, pieces, 4).bcj);
}

static void the_dictionary_is_short_unless_copies_are_far(void **state)
{
    uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_TEXT, seed, CHUNK);

    (void)state;
    assert_int_equal(choose("lzma:6", raw, CHUNK).dictionary, 1536 * KIB);
    /* a copy that the short one reaches */
    memcpy(raw + 2 * MIB, raw + MIB, MIB);
    assert_int_equal(choose("lzma:6", raw, CHUNK).dictionary, 1536 * KIB);
    /* and one that it does not */
    sample_fill(SAMPLE_TEXT, seed, raw, CHUNK);
    memcpy(raw + 3 * MIB + 1001, raw + MIB, MIB);
    assert_int_equal(choose("lzma:6", raw, CHUNK).dictionary, 8 * MIB);
    assert_int_equal(choose("lzma:3", raw, CHUNK).dictionary, 4 * MIB);
}

/* A longer dictionary is of no use for these, and costs time. */
static void copies_that_no_dictionary_reaches_do_not_count(void **state)
{
    struct codec_spec spec = sample_spec("lzma:6");
    struct xz_chain *chain CLEANUP(xz_chain_freep) = xz_chain_new(&spec, CHUNK, NULL);
    uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_TEXT, seed, CHUNK);
    const struct piece pieces[] = {{.len = 3 * MIB, .kind = PIECE_ENCODED},
                                   {.len = MIB, .kind = PIECE_STORED},
                                   {.len = 4 * MIB, .kind = PIECE_ENCODED}};
    const struct piece whole = {.len = CHUNK, .kind = PIECE_ENCODED};

    (void)state;
    /* beyond the level's own dictionary of 4 MiB */
    memcpy(raw + 5 * MIB, raw, 3 * MIB);
    assert_int_equal(choose("lzma:3", raw, CHUNK).dictionary, 1536 * KIB);
    /* in another block */
    assert_int_equal(choose_from(chain, raw, &whole, 1).dictionary, 8 * MIB);
    assert_int_equal(choose_from(chain, raw, pieces, 3).dictionary, 1536 * KIB);
}

static void copies_of_code_stay_equal(void **state)
{
    uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_TEXT, seed, CHUNK);

    (void)state;
    sample_fill(SAMPLE_CODE, seed, raw, CHUNK / 2);
    assert_true(choose("lzma:6", raw, CHUNK).bcj);
    memcpy(raw + CHUNK / 2 + 1000, raw, MIB);
    assert_false(choose("lzma:6", raw, CHUNK).bcj);
}

/* Levels that are chosen for their dictionary have it, as has who asks for one. */
static void nobody_gets_less_than_asked_for(void **state)
{
    static const struct {
        const char *spec;
        uint32_t dictionary;
    } rows[] = {{"lzma:0", 256 * KIB}, {"lzma:1", MIB},      {"lzma:2", 1536 * KIB},
                {"lzma:6e", 8 * MIB},  {"lzma:7", 16 * MIB}, {"lzma:9", 64 * MIB}};
    uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_TEXT, seed, CHUNK);
    const struct piece piece = {.len = CHUNK, .kind = PIECE_ENCODED};
    struct codec_spec large = sample_spec("lzma:6");

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(choose(rows[i].spec, raw, CHUNK).dictionary, rows[i].dictionary);
    large.dict_size = 32 * MIB;
    struct xz_chain *chain CLEANUP(xz_chain_freep) = xz_chain_new(&large, CHUNK, NULL);
    assert_int_equal(choose_from(chain, raw, &piece, 1).dictionary, 32 * MIB);
}

/* Which chunks a child had before is chance. */
static void a_choice_does_not_depend_on_the_chunks_before(void **state)
{
    struct codec_spec spec = sample_spec("lzma:6");
    struct xz_chain *chain CLEANUP(xz_chain_freep) = xz_chain_new(&spec, CHUNK, NULL);
    const struct piece piece = {.len = CHUNK, .kind = PIECE_ENCODED};
    uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_TEXT, seed, CHUNK);

    (void)state;
    memcpy(raw + 4 * MIB, raw, 2 * MIB);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(choose_from(chain, raw, &piece, 1).dictionary, 8 * MIB);
        uint8_t *code CLEANUP_FREE = malloc(CHUNK);
        sample_fill(SAMPLE_CODE, seed, code, CHUNK);
        struct choice choice = choose_from(chain, code, &piece, 1);
        assert_true(choice.bcj);
        assert_int_equal(choice.dictionary, 1536 * KIB);
        /* for what is the same in all chunks */
        choice = read_choice(xz_chain_plain(chain));
        assert_false(choice.bcj);
        assert_int_equal(choice.dictionary, 8 * MIB);
    }
}

/* ---- what the choice is made by ------------------------------------------------- */

struct found {
    size_t count;
    size_t distance; /* the last one's */
};

static void on_copy(void *opaque, size_t place, size_t earlier)
{
    struct found *found = opaque;

    found->count++;
    found->distance = place - earlier;
}

static void copies_are_found_at_any_offset_and_forgotten_with_the_chunk(void **state)
{
    struct repeats *repeats = repeats_new(CHUNK, NULL);
    uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_RANDOM, seed, CHUNK);
    struct found found = {0};

    (void)state;
    assert_non_null(repeats);
    for (unsigned run = 0; run < 2; run++) {
        repeats_begin(repeats);
        repeats_look(repeats, &(struct repeats_part){raw, 0, CHUNK}, on_copy, &found);
        assert_int_equal(found.count, 0);
    }
    memcpy(raw + 5 * MIB + 77, raw + MIB, MIB);
    repeats_begin(repeats);
    repeats_look(repeats, &(struct repeats_part){raw, MIB, MIB}, on_copy, &found);
    repeats_look(repeats, &(struct repeats_part){raw, 5 * MIB, 2 * MIB}, on_copy, &found);
    assert_int_equal(found.distance, 4 * MIB + 77);
    assert_in_range(found.count * repeats_spacing(repeats), MIB / 2, 2 * MIB);
    repeats_free(repeats);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(code_gets_the_x86_filter_and_nothing_else_does),
        cmocka_unit_test(code_is_found_in_a_part_of_the_chunk),
        cmocka_unit_test(the_dictionary_is_short_unless_copies_are_far),
        cmocka_unit_test(copies_that_no_dictionary_reaches_do_not_count),
        cmocka_unit_test(copies_of_code_stay_equal),
        cmocka_unit_test(nobody_gets_less_than_asked_for),
        cmocka_unit_test(a_choice_does_not_depend_on_the_chunks_before),
        cmocka_unit_test(copies_are_found_at_any_offset_and_forgotten_with_the_chunk),
    };

    seed = chance_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
