/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codec/zstd_whole.h"

#define SIZE 100000u

static void make_frame(struct buf *ret)
{
    CLEANUP_FREE uint8_t *data = mem_alloc(SIZE);

    for (size_t i = 0; i < SIZE; i++)
        data[i] = (uint8_t)(i / 1000);
    assert_int_equal(zstd_whole_compress(data, SIZE, ret, NULL), 0);
}

static void what_was_compressed_comes_back(void **state)
{
    CLEANUP_BUF struct buf frame = {0}, raw = {0};

    (void)state;
    make_frame(&frame);
    assert_true(frame.len < SIZE / 10);
    assert_int_equal(zstd_whole_decompress(frame.data, frame.len, SIZE, &raw, NULL), 0);
    assert_int_equal(raw.len, SIZE);
    for (size_t i = 0; i < SIZE; i++)
        assert_int_equal(raw.data[i], (uint8_t)(i / 1000));
}

static void assert_refused(const struct buf *frame, size_t raw_len)
{
    CLEANUP_BUF struct buf raw = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    assert_int_equal(zstd_whole_decompress(frame->data, frame->len, raw_len, &raw, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
    assert_null(raw.data);
}

static void other_lengths_are_refused(void **state)
{
    CLEANUP_BUF struct buf frame = {0};

    (void)state;
    make_frame(&frame);
    assert_refused(&frame, SIZE - 1);
    assert_refused(&frame, SIZE + 1);
    assert_refused(&frame, 0);
    assert_refused(&frame, (size_t)ZSTD_WHOLE_MAX + 1);
    assert_refused(&frame, SIZE + ((size_t)1 << 32));
    for (size_t len = 0; len < frame.len; len++) {
        struct buf cut = {frame.data, len, 0};
        assert_refused(&cut, SIZE);
    }
}

static void it_is_one_frame_and_nothing_else(void **state)
{
    static const uint8_t empty_frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0x24, 0,   1,
                                          0,    0,    0x99, 0xe9, 0xd8, 0x51};
    static const uint8_t skippable[] = {0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0};
    CLEANUP_BUF struct buf frame = {0};

    (void)state;
    make_frame(&frame);
    size_t len = frame.len;
    buf_append(&frame, empty_frame, sizeof(empty_frame));
    assert_refused(&frame, SIZE);
    frame.len = len;
    buf_append(&frame, skippable, sizeof(skippable));
    assert_refused(&frame, SIZE);
}

static void flipped_bits_are_found(void **state)
{
    CLEANUP_BUF struct buf frame = {0};
    unsigned found = 0;

    (void)state;
    make_frame(&frame);
    for (size_t bit = 0; bit < frame.len * 8; bit++) {
        CLEANUP_BUF struct buf raw = {0};
        frame.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        found += zstd_whole_decompress(frame.data, frame.len, SIZE, &raw, NULL) < 0;
        frame.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    /* Of the window's size some bits mean nothing to these bytes. */
    assert_in_range(found, frame.len * 8 - 8, frame.len * 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_compressed_comes_back),
        cmocka_unit_test(other_lengths_are_refused),
        cmocka_unit_test(it_is_one_frame_and_nothing_else),
        cmocka_unit_test(flipped_bits_are_found),
    };

    return cmocka_run_group_tests_name("codec zstd whole", tests, NULL, NULL);
}
