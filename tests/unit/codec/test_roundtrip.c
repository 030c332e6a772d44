/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The one suite that every codec runs: what is encoded comes back, and what does
 * not come back whole is refused.
 */
#include "codec/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "../documented_digest.h"
#include "base/units.h"
#include "codec/result.h"
#include "../chance.h"
#include "sample.h"

static uint64_t seed;

static struct decoder *decoder_for(const struct codec_spec *spec, uint64_t chunk_size)
{
    struct decoder *decoder = decoder_new(spec->type, chunk_size, codec_decoder_memory(spec), NULL);

    assert_non_null(decoder);
    return decoder;
}

/* Decodes into memory of exactly the chunk's length, so that a sanitizer sees a byte too many. */
static void check_decodes_to(struct decoder *decoder, const uint8_t *result, size_t len,
                             const uint8_t *raw, size_t raw_len)
{
    struct err err CLEANUP_ERR = ERR_INIT;
    uint8_t *back CLEANUP_FREE = malloc(raw_len);
    uint8_t digest[DIGEST_SIZE], expected[DIGEST_SIZE];
    struct codec_room room = {back, raw_len};

    if (decoder_decode(decoder, result, len, &room, digest, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(room.len, raw_len);
    assert_memory_equal(back, raw, raw_len);
    documented_chunk_digest(raw, raw_len, expected);
    assert_memory_equal(digest, expected, DIGEST_SIZE);
}

static void chunks_come_back(const char *spec_text)
{
    static const size_t sizes[] = {1, 4095, 4096, 65536, 1024 * 1024 + 3};
    uint64_t chunk_size = 2 * MIB;
    struct codec_spec spec = sample_spec(spec_text);
    struct encoder *encoder CLEANUP(encoder_freep) = encoder_new(&spec, chunk_size, NULL);
    struct decoder *decoder CLEANUP(decoder_freep) = decoder_for(&spec, chunk_size);
    size_t cap = codec_result_bound(&spec, chunk_size);
    uint8_t *result CLEANUP_FREE = malloc(cap);

    assert_non_null(encoder);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (enum sample_kind kind = 0; kind < SAMPLE_KINDS; kind++) {
            uint8_t *raw CLEANUP_FREE = sample_new(kind, seed + i, sizes[i]);
            struct codec_room room = {result, cap};
            assert_int_equal(encoder_encode(encoder, raw, sizes[i], &room, NULL), 0);
            assert_in_range(room.len, RESULT_HEAD_SIZE, cap);
            check_decodes_to(decoder, result, room.len, raw, sizes[i]);
        }
    }
}

#define PARTS_LEN ((size_t)17 * 65536 + 40000)

/* Each wanted block and its leaves; there is no digest of the whole unless all are wanted. */
static void check_wanted(struct decoder *decoder, const uint8_t *result, size_t len,
                         const uint8_t *raw, uint64_t wanted)
{
    const uint64_t all = (UINT64_C(1) << 18) - 1;
    struct err err CLEANUP_ERR = ERR_INIT;
    uint8_t *back CLEANUP_FREE = malloc(PARTS_LEN);
    uint8_t leaves[36][DIGEST_SIZE], expected[DIGEST_SIZE], digest[DIGEST_SIZE];
    struct codec_room room = {back, PARTS_LEN};

    decoder_set_leaves(decoder, leaves[0]);
    decoder_set_wanted(decoder, wanted);
    if (decoder_decode(decoder, result, len, &room, digest, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(room.len, PARTS_LEN);
    for (size_t leaf = 0, at = 0; at < PARTS_LEN; leaf++, at += 32768) {
        size_t leaf_len = PARTS_LEN - at < 32768 ? PARTS_LEN - at : 32768;
        if (wanted && !(wanted >> leaf / 2 & 1))
            continue;
        assert_memory_equal(back + at, raw + at, leaf_len);
        digest_of(raw + at, leaf_len, expected);
        assert_memory_equal(leaves[leaf], expected, DIGEST_SIZE);
    }
    memset(expected, 0, sizeof(expected));
    if (wanted == 0 || (wanted & all) == all)
        documented_chunk_digest(raw, PARTS_LEN, expected);
    assert_memory_equal(digest, expected, DIGEST_SIZE);
    decoder_set_leaves(decoder, NULL);
    decoder_set_wanted(decoder, 0);
}

static void wanted_blocks_come_alone(void **state)
{
    static const char *const specs[] = {"none", "zstd:1", "zstd:19", "lzma:0"};
    static const uint64_t wanted[] = {1,       2,       0x21, 0x1ff,   0x10000,   0x20000,
                                      0x20001, 0x3fffe, 0,    0x3ffff, UINT64_MAX};
    uint64_t chunk_size = 2 * MIB;

    (void)state;
    for (size_t i = 0; i < sizeof(specs) / sizeof(*specs); i++) {
        struct codec_spec spec = sample_spec(specs[i]);
        struct encoder *encoder CLEANUP(encoder_freep) = encoder_new(&spec, chunk_size, NULL);
        struct decoder *decoder CLEANUP(decoder_freep) = decoder_for(&spec, chunk_size);
        size_t cap = codec_result_bound(&spec, chunk_size);
        uint8_t *result CLEANUP_FREE = malloc(cap);
        for (enum sample_kind kind = 0; kind < SAMPLE_KINDS; kind++) {
            uint8_t *raw CLEANUP_FREE = sample_new(kind, seed, PARTS_LEN);
            struct codec_room room = {result, cap};
            assert_int_equal(encoder_encode(encoder, raw, PARTS_LEN, &room, NULL), 0);
            for (size_t j = 0; j < sizeof(wanted) / sizeof(*wanted); j++)
                check_wanted(decoder, result, room.len, raw, wanted[j]);
        }
    }
}

/* What comes after the wanted blocks is not even decoded; before them, damage counts. */
static void what_is_not_wanted_is_not_decoded(void **state)
{
    struct codec_spec spec = sample_spec("zstd:1");
    struct encoder *encoder CLEANUP(encoder_freep) = encoder_new(&spec, 2 * MIB, NULL);
    struct decoder *decoder CLEANUP(decoder_freep) = decoder_for(&spec, 2 * MIB);
    size_t cap = codec_result_bound(&spec, 2 * MIB);
    uint8_t *result CLEANUP_FREE = malloc(cap), *back CLEANUP_FREE = malloc(PARTS_LEN);
    uint8_t *raw CLEANUP_FREE = malloc(PARTS_LEN), digest[DIGEST_SIZE];
    struct codec_room room = {result, cap}, decoded = {back, PARTS_LEN};

    (void)state;
    for (size_t i = 0; i < PARTS_LEN; i++)
        raw[i] = (uint8_t)("text of few letters"[(i * i >> 5) % 19]);
    assert_int_equal(encoder_encode(encoder, raw, PARTS_LEN, &room, NULL), 0);
    result[room.len - 1] ^= 1; /* of the checksum of the frame */
    decoder_set_wanted(decoder, 1);
    assert_int_equal(decoder_decode(decoder, result, room.len, &decoded, digest, NULL), 0);
    assert_memory_equal(back, raw, 65536);
    decoder_set_wanted(decoder, 1 << 17);
    assert_int_equal(decoder_decode(decoder, result, room.len, &decoded, digest, NULL), -1);
    decoder_set_wanted(decoder, 0);
    assert_int_equal(decoder_decode(decoder, result, room.len, &decoded, digest, NULL), -1);
    result[room.len - 1] ^= 1;
    assert_int_equal(decoder_decode(decoder, result, room.len, &decoded, digest, NULL), 0);
}

static void none_gives_chunks_back(void **state)
{
    (void)state;
    chunks_come_back("none");
}

static void lzma_gives_chunks_back(void **state)
{
    (void)state;
    chunks_come_back("lzma:0");

    chunks_come_back("lzma:9e");
}

static void zstd_gives_chunks_back(void **state)
{
    (void)state;
    chunks_come_back("zstd:1");
    chunks_come_back("zstd:3");

    chunks_come_back("zstd:19");
}

/* Exactly the room that was promised: a sanitizer sees what is written behind it. */
static void full_chunks_fit_in_the_bound(void **state)
{
    static const char *const specs[] = {"none", "lzma:0", "zstd:1", "zstd:13"};

    (void)state;
    for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        struct codec_spec spec = sample_spec(specs[i]);
        for (uint64_t chunk = CODEC_CHUNK_MIN; chunk <= 2 * MIB; chunk *= 32) {
            for (enum sample_kind kind = 0; kind < SAMPLE_KINDS; kind++) {
                uint8_t *raw CLEANUP_FREE = sample_new(kind, seed, chunk);
                size_t len;
                uint8_t *result CLEANUP_FREE = sample_encode(&spec, chunk, raw, chunk, &len);
                struct decoder *decoder CLEANUP(decoder_freep) = decoder_for(&spec, chunk);
                check_decodes_to(decoder, result, len, raw, chunk);
                if (kind == SAMPLE_RANDOM)
                    assert_true(len < chunk + chunk / 500);
            }
        }
    }
}

static void encoders_refuse_what_is_no_chunk(void **state)
{
    struct codec_spec spec = sample_spec("zstd");
    struct encoder *encoder CLEANUP(encoder_freep) = encoder_new(&spec, CODEC_CHUNK_MIN, NULL);
    size_t cap = codec_result_bound(&spec, CODEC_CHUNK_MIN);
    uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_TEXT, seed, CODEC_CHUNK_MIN + 1);
    uint8_t *result CLEANUP_FREE = malloc(cap);
    struct codec_room room = {result, cap, .len = 7};
    struct codec_room short_room = {result, cap - 1};

    (void)state;
    assert_int_equal(encoder_encode(encoder, raw, 0, &room, NULL), -1);
    assert_int_equal(encoder_encode(encoder, raw, CODEC_CHUNK_MIN + 1, &room, NULL), -1);
    assert_int_equal(encoder_encode(encoder, raw, CODEC_CHUNK_MIN, &short_room, NULL), -1);
    assert_int_equal(room.len, 7);
    assert_int_equal(encoder_encode(encoder, raw, CODEC_CHUNK_MIN, &room, NULL), 0);
}

/* ---- runs of zeros ----------------------------------------------------------- */

static void none_stores_zeros_as_their_length(void **state)
{
    enum { PAGE = 4096, PAGES = 16, TAIL = 100 };
    struct codec_spec spec = sample_spec("none");
    size_t raw_len = PAGES * PAGE + TAIL;
    uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_RANDOM, seed, raw_len);
    static const struct {
        uint32_t raw_len;
        bool zero;
    } runs[] = {{2 * PAGE, true},
                {3 * PAGE, false},
                {PAGE, true},
                {8 * PAGE, false},
                {2 * PAGE + TAIL, true}};
    struct result result;
    struct result_cursor cursor = {0};
    struct result_block block;
    size_t len, pos = 0;

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        if (runs[i].zero)
            memset(raw + pos, 0, runs[i].raw_len);
        pos += runs[i].raw_len;
    }
    /* Zeros that no page is full of stay among the data. */
    memset(raw + 7 * PAGE, 0, 2 * PAGE);
    raw[7 * PAGE] = raw[9 * PAGE - 1] = 1;

    uint8_t *encoded CLEANUP_FREE = sample_encode(&spec, 128 * KIB, raw, raw_len, &len);
    assert_int_equal(result_parse(encoded, len, &result, NULL), 0);
    assert_int_equal(result.block_count, 5);
    for (size_t i = 0; result_next(&result, &cursor, &block); i++) {
        assert_int_equal(block.raw_len, runs[i].raw_len);
        assert_int_equal(block.stored_len, runs[i].zero ? 0 : runs[i].raw_len);
        assert_int_equal(block.data == NULL, runs[i].zero);
    }
}

static void none_has_room_for_zeros_in_every_second_page(void **state)
{
    struct codec_spec spec = sample_spec("none");
    size_t raw_len = 4 * MIB;
    uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_ZEROS, seed, raw_len);
    struct decoder *decoder CLEANUP(decoder_freep) = decoder_for(&spec, raw_len);
    struct result result;
    size_t len;

    (void)state;
    for (size_t page = 0; page < raw_len / 4096; page += 2)
        raw[page * 4096 + 4095] = 1;
    uint8_t *encoded CLEANUP_FREE = sample_encode(&spec, raw_len, raw, raw_len, &len);
    assert_int_equal(result_parse(encoded, len, &result, NULL), 0);
    assert_int_equal(result.block_count, raw_len / 4096);
    check_decodes_to(decoder, encoded, len, raw, raw_len);
}

/* ---- parts that do not compress ------------------------------------------------ */

static uint32_t count_blocks(const struct codec_spec *spec, const uint8_t *raw, size_t raw_len,
                             size_t *ret_len)
{
    uint64_t chunk_size = 4 * MIB;
    uint8_t *encoded CLEANUP_FREE = sample_encode(spec, chunk_size, raw, raw_len, ret_len);
    struct decoder *decoder CLEANUP(decoder_freep) = decoder_for(spec, chunk_size);
    struct result result;

    assert_int_equal(result_parse(encoded, *ret_len, &result, NULL), 0);
    check_decodes_to(decoder, encoded, *ret_len, raw, raw_len);
    return result.block_count;
}

static void long_parts_that_do_not_compress_get_blocks_of_their_own(void **state)
{
    static const char *const specs[] = {"lzma:0", "zstd:13"};
    size_t raw_len = 2 * MIB;
    uint8_t *raw CLEANUP_FREE = malloc(raw_len);
    size_t len, text_len;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct codec_spec spec = sample_spec(specs[i]);
        sample_fill(SAMPLE_TEXT, seed, raw, raw_len);
        assert_int_equal(count_blocks(&spec, raw, raw_len, &text_len), 1);
        sample_fill(SAMPLE_RANDOM, seed, raw + 512 * KIB, MIB);
        assert_int_equal(count_blocks(&spec, raw, raw_len, &len), 3);
        assert_true(len > MIB && len < MIB + text_len);
        /* Too short to be worth a cut. */
        sample_fill(SAMPLE_TEXT, seed, raw + 512 * KIB, 512 * KIB);
        assert_int_equal(count_blocks(&spec, raw, raw_len, &len), 1);
    }
}

static void copies_of_what_does_not_compress_are_found(void **state)
{
    struct codec_spec spec = sample_spec("lzma:6");
    /* Files on a disk are copied to whole blocks, pages in a memory image to any offset. */
    static const size_t shifts[] = {0, 8, 1001};
    size_t half = 1536 * KIB;
    uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_RANDOM, seed, 2 * half + 4096);
    size_t len;

    (void)state;
    for (size_t i = 0; i < sizeof(shifts) / sizeof(shifts[0]); i++) {
        sample_fill(SAMPLE_RANDOM, seed + i, raw, half + shifts[i]);
        memcpy(raw + half + shifts[i], raw, half);
        assert_int_equal(count_blocks(&spec, raw, 2 * half + shifts[i], &len), 1);
        assert_true(len < half + half / 50);
    }
}

/* Each is made of lengths that need to be encoded once only. */
static void long_runs_of_zeros_get_blocks_of_their_own(void **state)
{
    struct codec_spec spec = sample_spec("lzma:0");
    size_t raw_len = 3 * MIB + 100;
    uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_TEXT, seed, raw_len);
    size_t len;

    (void)state;
    /* 1 MiB, 512 KiB, 256 KiB between two others */
    memset(raw + MIB, 0, 1792 * KIB);
    assert_int_equal(count_blocks(&spec, raw, raw_len, &len), 5);
    /* 2 MiB, and the short rest of the chunk */
    memset(raw + MIB, 0, raw_len - MIB);
    assert_int_equal(count_blocks(&spec, raw, raw_len, &len), 3);
    /* too short to be worth a cut */
    sample_fill(SAMPLE_TEXT, seed, raw, raw_len);
    memset(raw + MIB, 0, 768 * KIB);
    assert_int_equal(count_blocks(&spec, raw, raw_len, &len), 1);
    /* zeros alone */
    memset(raw, 0, raw_len);
    assert_int_equal(count_blocks(&spec, raw, raw_len, &len), 3);
    assert_true(len < 2000);
}

/* ---- limits -------------------------------------------------------------------- */

static int decode(struct decoder *decoder, const uint8_t *result, size_t len, size_t cap,
                  struct err *err)
{
    uint8_t *back CLEANUP_FREE = malloc(cap ? cap : 1);
    uint8_t digest[DIGEST_SIZE];
    struct codec_room room = {back, cap};

    return decoder_decode(decoder, result, len, &room, digest, err);
}

static void a_dictionary_beyond_the_memory_limit_is_refused(void **state)
{
    struct codec_spec spec = sample_spec("lzma:8");
    uint64_t chunk = 32 * MIB;
    uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_TEXT, seed, 100000);
    size_t len;
    uint8_t *result CLEANUP_FREE = sample_encode(&spec, chunk, raw, 100000, &len);
    struct err err CLEANUP_ERR = ERR_INIT;
    struct decoder *small CLEANUP(decoder_freep) = decoder_new(CODEC_LZMA, chunk, 16 * MIB, NULL);
    struct decoder *large CLEANUP(decoder_freep) =
        decoder_new(CODEC_LZMA, chunk, codec_decoder_memory(&spec), NULL);

    (void)state;
    assert_int_equal(decode(small, result, len, 100000, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
    assert_non_null(strstr(err.text, "needs more memory than 16 MiB"));
    assert_int_equal(decode(large, result, len, 100000, NULL), 0);
}

static void a_dictionary_is_never_larger_than_the_chunk(void **state)
{
    struct codec_spec spec = sample_spec("lzma:9");
    uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_TEXT, seed, 50000);
    size_t len;
    uint8_t *result CLEANUP_FREE = sample_encode(&spec, 64 * KIB, raw, 50000, &len);
    struct decoder *decoder CLEANUP(decoder_freep) =
        decoder_new(CODEC_LZMA, 64 * KIB, 512 * KIB, NULL);

    (void)state;
    assert_int_equal(decode(decoder, result, len, 50000, NULL), 0);
}

static void a_chunk_larger_than_expected_is_refused(void **state)
{
    static const char *const specs[] = {"none", "lzma:0", "zstd:1"};
    uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_TEXT, seed, 100000);

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct codec_spec spec = sample_spec(specs[i]);
        size_t len;
        uint8_t *result CLEANUP_FREE = sample_encode(&spec, 128 * KIB, raw, 100000, &len);
        struct decoder *tight CLEANUP(decoder_freep) = decoder_for(&spec, 64 * KIB);
        struct decoder *wide CLEANUP(decoder_freep) = decoder_for(&spec, 128 * KIB);
        struct err err CLEANUP_ERR = ERR_INIT;
        assert_int_equal(decode(tight, result, len, 100000, &err), -1);
        assert_int_equal(err.kind, ERR_CORRUPT);
        assert_int_equal(decode(wide, result, len, 99999, NULL), -1);
        assert_int_equal(decode(wide, result, len, 100000, NULL), 0);
    }
}

static void a_wrong_digest_is_refused_and_none_is_accepted(void **state)
{
    static const char *const specs[] = {"none", "lzma:0", "zstd:1"};
    uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_MIXED, seed, 50000);

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct codec_spec spec = sample_spec(specs[i]);
        size_t len;
        uint8_t *result CLEANUP_FREE = sample_encode(&spec, 64 * KIB, raw, 50000, &len);
        struct decoder *decoder CLEANUP(decoder_freep) = decoder_for(&spec, 64 * KIB);
        struct err err CLEANUP_ERR = ERR_INIT;
        result[3] ^= 1;
        assert_int_equal(decode(decoder, result, len, 50000, &err), -1);
        assert_int_equal(err.kind, ERR_CORRUPT);
        memset(result, 0, DIGEST_SIZE);
        check_decodes_to(decoder, result, len, raw, 50000);
    }
}

static void a_result_of_another_codec_is_refused(void **state)
{
    static const char *const specs[] = {"none", "lzma:0", "zstd:1"};
    uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_TEXT, seed, 50000);

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct codec_spec from = sample_spec(specs[i]);
        size_t len;
        uint8_t *result CLEANUP_FREE = sample_encode(&from, 64 * KIB, raw, 50000, &len);
        for (size_t k = 0; k < 3; k++) {
            struct codec_spec to = sample_spec(specs[k]);
            struct decoder *decoder CLEANUP(decoder_freep) = decoder_for(&to, 64 * KIB);
            struct err err CLEANUP_ERR = ERR_INIT;
            assert_int_equal(decode(decoder, result, len, 50000, &err), i == k ? 0 : -1);
            assert_int_equal(err.kind, i == k ? ERR_NONE : ERR_CORRUPT);
        }
    }
}

static int start(void **state)
{
    (void)state;
    seed = chance_seed();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wanted_blocks_come_alone),
        cmocka_unit_test(what_is_not_wanted_is_not_decoded),
        cmocka_unit_test(none_gives_chunks_back),
        cmocka_unit_test(lzma_gives_chunks_back),
        cmocka_unit_test(zstd_gives_chunks_back),
        cmocka_unit_test(full_chunks_fit_in_the_bound),
        cmocka_unit_test(encoders_refuse_what_is_no_chunk),
        cmocka_unit_test(none_stores_zeros_as_their_length),
        cmocka_unit_test(none_has_room_for_zeros_in_every_second_page),
        cmocka_unit_test(long_parts_that_do_not_compress_get_blocks_of_their_own),
        cmocka_unit_test(copies_of_what_does_not_compress_are_found),
        cmocka_unit_test(long_runs_of_zeros_get_blocks_of_their_own),
        cmocka_unit_test(a_dictionary_beyond_the_memory_limit_is_refused),
        cmocka_unit_test(a_dictionary_is_never_larger_than_the_chunk),
        cmocka_unit_test(a_chunk_larger_than_expected_is_refused),
        cmocka_unit_test(a_wrong_digest_is_refused_and_none_is_accepted),
        cmocka_unit_test(a_result_of_another_codec_is_refused),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
