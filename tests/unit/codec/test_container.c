/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Containers: what is written is read again, and what was damaged is refused
 * by the index, by the decoder, or gives another digest.
 */
#include "codec/container.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/io.h"
#include "base/units.h"
#include "../chance.h"
#include "sample.h"

static const char *const framed[] = {"lzma:0", "zstd:3"};
#define FRAMED (sizeof(framed) / sizeof(framed[0]))
enum { CHUNK = CODEC_CHUNK_MIN };

static uint64_t seed;

/* The bytes as a file, behind `before` bytes of something else and in front of `after`. */
static int file_of(const struct buf *container, size_t before, size_t after)
{
    static const uint8_t other[256] = "other";
    int fd = memfd_create("container", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(io_pwrite(fd, other, before, 0, NULL), 0);
    assert_int_equal(io_pwrite(fd, container->data, container->len, before, NULL), 0);
    assert_int_equal(io_pwrite(fd, other, after, before + container->len, NULL), 0);
    return fd;
}

static int read_container(const char *spec_text, const struct buf *container,
                          struct container_index *ret, struct err *err)
{
    int fd CLEANUP_CLOSE = file_of(container, 0, 0);

    return container_read(sample_spec(spec_text).type, fd, 0, container->len, ret, err);
}

/* Decodes all blocks of a container, each as a chunk of its own, whose digests
 * are not known. 0: that has worked and the bytes are in *out. */
static int decode_all(const char *spec_text, const struct buf *container, struct buf *out)
{
    struct container_index index CLEANUP_CONTAINER_INDEX = {0};
    struct codec_spec spec = sample_spec(spec_text);
    struct decoder *decoder CLEANUP(decoder_freep) =
        decoder_new(spec.type, CODEC_CHUNK_MAX, 16 * MIB, NULL);
    uint8_t *raw CLEANUP_FREE = malloc(CHUNK);
    uint8_t sha256[DIGEST_SIZE];

    if (read_container(spec_text, container, &index, NULL) < 0)
        return -1;
    for (size_t i = 0; i < index.count; i++) {
        struct buf result CLEANUP_BUF = {0};
        const struct container_block *block = &index.blocks[i];
        struct codec_room room = {raw, CHUNK};
        memset(buf_reserve(&result, result_head_size(1)), 0, result_head_size(1));
        result_put_head(result.data, result.data, block->raw_len, 1);
        result_put_entry(result.data, 0, block->stored_len, block->raw_len);
        result.len = result_head_size(1);
        assert_true(block->offset + block->stored_len <= container->len);
        buf_append(&result, container->data + block->offset, block->stored_len);
        if (decoder_decode(decoder, result.data, result.len, &room, sha256, NULL) < 0)
            return -1;
        buf_append(out, raw, room.len);
    }
    return 0;
}

static void a_container_is_read_again(void **state)
{
    static const size_t sizes[] = {1, CHUNK - 1, CHUNK, 5 * CHUNK + 17};

    (void)state;
    for (size_t f = 0; f < FRAMED; f++) {
        struct codec_spec spec = sample_spec(framed[f]);
        for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
            uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_MIXED, seed, sizes[s]);
            struct buf file CLEANUP_BUF = {0};
            struct buf back CLEANUP_BUF = {0};
            struct container_index index CLEANUP_CONTAINER_INDEX = {0};
            uint64_t raw_pos = 0;
            sample_container(&spec, CHUNK, raw, sizes[s], &file);
            assert_int_equal(decode_all(framed[f], &file, &back), 0);
            assert_int_equal(back.len, sizes[s]);
            assert_memory_equal(back.data, raw, sizes[s]);

            assert_int_equal(read_container(framed[f], &file, &index, NULL), 0);
            assert_int_equal(index.raw_size, sizes[s]);
            for (size_t i = 0; i < index.count; i++) {
                assert_int_equal(index.blocks[i].raw_offset, raw_pos);
                raw_pos += index.blocks[i].raw_len;
            }
            assert_int_equal(raw_pos, sizes[s]);
        }
    }
}

static void a_container_without_blocks_is_read_again(void **state)
{
    (void)state;
    for (size_t f = 0; f < FRAMED; f++) {
        struct codec_spec spec = sample_spec(framed[f]);
        struct container_index index CLEANUP_CONTAINER_INDEX = {.count = 7};
        struct buf file CLEANUP_BUF = {0};
        sample_container(&spec, CHUNK, NULL, 0, &file);
        assert_int_equal(read_container(framed[f], &file, &index, NULL), 0);
        assert_int_equal(index.count, 0);
        assert_int_equal(index.raw_size, 0);
    }
}

static void a_container_is_known_by_its_start(void **state)
{
    static const size_t sizes[] = {0, 1, CHUNK};

    (void)state;
    for (size_t f = 0; f < FRAMED; f++) {
        struct codec_spec spec = sample_spec(framed[f]);
        enum codec_type other = sample_spec(framed[1 - f]).type;
        for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
            uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_MIXED, seed, sizes[s]);
            struct buf file CLEANUP_BUF = {0};
            sample_container(&spec, CHUNK, raw, sizes[s], &file);
            assert_true(container_starts(spec.type, file.data));
            assert_false(container_starts(other, file.data));
        }
        assert_false(container_starts(spec.type, (const uint8_t *)"LibvirtQemudSave"));
    }
    assert_true(container_starts(CODEC_NONE, (const uint8_t *)"LibvirtQemudSave"));
}

static void a_container_may_stand_in_the_middle_of_a_file(void **state)
{
    (void)state;
    for (size_t f = 0; f < FRAMED; f++) {
        struct codec_spec spec = sample_spec(framed[f]);
        uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_TEXT, seed, 3 * CHUNK);
        struct container_index index CLEANUP_CONTAINER_INDEX = {0};
        struct buf file CLEANUP_BUF = {0};
        sample_container(&spec, CHUNK, raw, 3 * CHUNK, &file);
        int fd CLEANUP_CLOSE = file_of(&file, 92, 17);
        assert_int_equal(container_read(spec.type, fd, 92, file.len, &index, NULL), 0);
        assert_int_equal(index.raw_size, 3 * CHUNK);
        assert_int_equal(index.blocks[0].offset, spec.type == CODEC_LZMA ? 12 : 0);
        container_index_clear(&index);
        assert_int_equal(container_read(spec.type, fd, 91, file.len + 1, &index, NULL), -1);
        assert_int_equal(container_read(spec.type, fd, 92, file.len + 1, &index, NULL), -1);
        assert_int_equal(container_read(spec.type, fd, 92, file.len + 4, &index, NULL), -1);
        assert_int_equal(container_read(spec.type, fd, 0, file.len + 92, &index, NULL), -1);
        assert_int_equal(container_read(spec.type, fd, UINT64_MAX - 5, file.len, &index, NULL), -1);
    }
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    for (size_t f = 0; f < FRAMED; f++) {
        struct codec_spec spec = sample_spec(framed[f]);
        uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_ZEROS, seed, 2 * CHUNK);
        struct buf file CLEANUP_BUF = {0};
        sample_container(&spec, CHUNK, raw, 2 * CHUNK, &file);
        while (file.len > 0) {
            struct container_index index CLEANUP_CONTAINER_INDEX = {0};
            struct err err CLEANUP_ERR = ERR_INIT;
            file.len--;
            assert_int_equal(read_container(framed[f], &file, &index, &err), -1);
            assert_int_equal(err.kind, ERR_CORRUPT);
            assert_null(index.blocks);
        }
    }
}

static void a_file_that_lost_its_end_while_open_is_refused(void **state)
{
    (void)state;
    for (size_t f = 0; f < FRAMED; f++) {
        struct codec_spec spec = sample_spec(framed[f]);
        uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_TEXT, seed, CHUNK);
        struct container_index index CLEANUP_CONTAINER_INDEX = {0};
        struct buf file CLEANUP_BUF = {0};
        sample_container(&spec, CHUNK, raw, CHUNK, &file);
        int fd CLEANUP_CLOSE = file_of(&file, 0, 0);
        assert_int_equal(ftruncate(fd, (off_t)file.len - 1), 0);
        assert_int_equal(container_read(spec.type, fd, 0, file.len, &index, NULL), -1);
    }
}

/* Harmless: bits without a meaning (two in the seek table, one in a frame's header), a setting
 * of the encoder that these data do not use, a checksum in the seek table that is a copy. */
static void every_bit_flip_is_refused_or_harmless(void **state)
{
    (void)state;
    for (size_t f = 0; f < FRAMED; f++) {
        struct codec_spec spec = sample_spec(framed[f]);
        size_t raw_len = CHUNK + 3000;
        uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_ZEROS, seed, raw_len);
        struct buf file CLEANUP_BUF = {0};
        sample_fill(SAMPLE_TEXT, seed, raw + CHUNK, 200);
        sample_container(&spec, CHUNK, raw, raw_len, &file);
        for (size_t bit = 0; bit < file.len * 8; bit++) {
            struct buf back CLEANUP_BUF = {0};
            file.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            if (decode_all(framed[f], &file, &back) == 0) {
                assert_int_equal(back.len, raw_len);
                assert_memory_equal(back.data, raw, raw_len);
            }
            file.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        }
    }
}

/* ---- other damage -------------------------------------------------------------- */

static void two_containers_in_a_row_are_refused(void **state)
{
    (void)state;
    for (size_t f = 0; f < FRAMED; f++) {
        struct codec_spec spec = sample_spec(framed[f]);
        uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_TEXT, seed, CHUNK);
        struct container_index index CLEANUP_CONTAINER_INDEX = {0};
        struct err err CLEANUP_ERR = ERR_INIT;
        struct buf file CLEANUP_BUF = {0};
        sample_container(&spec, CHUNK, raw, CHUNK, &file);
        sample_container(&spec, CHUNK, raw, CHUNK, &file);
        assert_int_equal(read_container(framed[f], &file, &index, &err), -1);
        assert_int_equal(err.kind, ERR_CORRUPT);
    }
}

static void padding_before_and_behind_is_refused(void **state)
{
    static const uint8_t zeros[8];

    (void)state;
    for (size_t f = 0; f < FRAMED; f++) {
        struct codec_spec spec = sample_spec(framed[f]);
        uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_TEXT, seed, CHUNK);
        struct container_index index CLEANUP_CONTAINER_INDEX = {0};
        struct buf behind CLEANUP_BUF = {0};
        struct buf before CLEANUP_BUF = {0};
        buf_append(&before, zeros, sizeof(zeros));
        sample_container(&spec, CHUNK, raw, CHUNK, &before);
        sample_container(&spec, CHUNK, raw, CHUNK, &behind);
        buf_append(&behind, zeros, sizeof(zeros));
        assert_int_equal(read_container(framed[f], &before, &index, NULL), -1);
        assert_int_equal(read_container(framed[f], &behind, &index, NULL), -1);
    }
}

/* Of different lengths: the headers contradict the index. Of equal lengths: the
 * bytes come out in another order, which the digests of the chunks show. */
static void swapped_blocks_are_never_taken_for_the_right_ones(void **state)
{
    (void)state;
    for (size_t f = 0; f < FRAMED; f++) {
        struct codec_spec spec = sample_spec(framed[f]);
        for (size_t equal = 0; equal < 2; equal++) {
            uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_RANDOM, seed, 2 * CHUNK);
            struct buf file CLEANUP_BUF = {0};
            struct buf swapped CLEANUP_BUF = {0};
            struct buf back CLEANUP_BUF = {0};
            struct container_index index CLEANUP_CONTAINER_INDEX = {0};
            if (!equal)
                memset(raw, 1, 5000);
            sample_container(&spec, CHUNK, raw, 2 * CHUNK, &file);
            assert_int_equal(read_container(framed[f], &file, &index, NULL), 0);
            assert_int_equal(index.count, 2);
            const struct container_block *a = &index.blocks[0], *b = &index.blocks[1];
            assert_int_equal(a->stored_len == b->stored_len, equal);
            size_t end = b->offset + b->stored_len;
            buf_append(&swapped, file.data, a->offset);
            buf_append(&swapped, file.data + b->offset, b->stored_len);
            buf_append(&swapped, file.data + a->offset, a->stored_len);
            buf_append(&swapped, file.data + end, file.len - end);
            if (decode_all(framed[f], &swapped, &back) == 0)
                assert_memory_not_equal(back.data, raw, 2 * CHUNK);
            else
                assert_false(equal);
        }
    }
}

static void a_seek_table_of_another_kind_is_refused(void **state)
{
    static const struct {
        size_t from_end;
        uint8_t flip;
        int ret;
    } cases[] = {
        {9 + 2 * 12 + 8, 0x01, -1}, /* magic of the skippable frame */
        {9 + 2 * 12 + 4, 0x01, -1}, /* its size */
        {9, 0x01, -1},              /* number of frames */
        {5, 0x04, -1},              /* descriptor: a reserved bit, */
        {5, 0x40, -1},              /* another, */
        {5, 0x80, -1},              /* no checksums */
        {5, 0x03, 0},               /* and bits that may mean anything */
        {4, 0x01, -1},              /* magic of the seek table */
    };
    struct codec_spec spec = sample_spec("zstd");
    uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_TEXT, seed, 2 * CHUNK);
    struct buf file CLEANUP_BUF = {0};

    (void)state;
    sample_container(&spec, CHUNK, raw, 2 * CHUNK, &file);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct container_index index CLEANUP_CONTAINER_INDEX = {0};
        uint8_t *byte = file.data + file.len - cases[i].from_end;
        *byte ^= cases[i].flip;
        assert_int_equal(read_container("zstd", &file, &index, NULL), cases[i].ret);
        *byte ^= cases[i].flip;
    }
}

static void a_seek_table_without_checksums_is_read(void **state)
{
    struct codec_spec spec = sample_spec("zstd");
    uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_TEXT, seed, CHUNK);
    struct container_index index CLEANUP_CONTAINER_INDEX = {0};
    struct buf file CLEANUP_BUF = {0};

    (void)state;
    sample_container(&spec, CHUNK, raw, CHUNK, &file);
    uint8_t *table = file.data + file.len - 9 - 12;
    memmove(table + 8, table + 12, 9);
    file.len -= 4;
    set_le32(table - 4, 8 + 9);
    file.data[file.len - 5] = 0;
    assert_int_equal(read_container("zstd", &file, &index, NULL), 0);
    assert_int_equal(index.count, 1);
    assert_int_equal(index.raw_size, CHUNK);
}

static void an_uncompressed_image_has_no_index(void **state)
{
    struct container_index index = {0};
    struct err err CLEANUP_ERR = ERR_INIT;

    (void)state;
    assert_int_equal(container_read(CODEC_NONE, 0, 0, 100, &index, &err), -1);
    assert_int_equal(err.kind, ERR_USAGE);
}

/* ---- blocks of a foreign child --------------------------------------------------- */

static int add_block(enum codec_type type, const struct result_block *block, struct err *err)
{
    struct container_writer *writer CLEANUP(container_writer_freep) = container_writer_new(type);
    struct buf out CLEANUP_BUF = {0};

    assert_int_equal(container_begin(writer, &out, NULL), 0);
    return container_add(writer, block, err);
}

static void blocks_that_are_not_what_they_should_be_are_not_taken(void **state)
{
    (void)state;
    for (size_t f = 0; f < FRAMED; f++) {
        struct codec_spec spec = sample_spec(framed[f]);
        uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_TEXT, seed, 1000);
        size_t len;
        uint8_t *encoded CLEANUP_FREE = sample_encode(&spec, CHUNK, raw, 1000, &len);
        struct result result;
        struct result_cursor cursor = {0};
        struct result_block good;
        assert_int_equal(result_parse(encoded, len, &result, NULL), 0);
        assert_true(result_next(&result, &cursor, &good));
        assert_int_equal(add_block(spec.type, &good, NULL), 0);
        assert_int_equal(add_block(CODEC_LZMA + CODEC_ZSTD - spec.type, &good, NULL), -1);

        const struct result_block bad[] = {
            {good.data, good.stored_len, 999},          {good.data, good.stored_len, 0},
            {good.data, good.stored_len, 1u << 31},     {good.data, good.stored_len - 1, 1000},
            {good.data, good.stored_len - 4, 1000},     {good.data, 1, 1000},
            {good.data + 4, good.stored_len - 4, 1000}, {NULL, 0, 1000},
        };
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
            struct err err CLEANUP_ERR = ERR_INIT;
            if (add_block(spec.type, &bad[i], &err) == 0)
                fail_msg("%s: bad block %zu was taken", framed[f], i);
            assert_int_equal(err.kind, ERR_CORRUPT);
        }
    }
    static const struct result_block raw_block = {(const uint8_t *)"abc", 3, 3};
    static const struct result_block hole = {NULL, 0, 3};
    static const struct result_block wrong = {(const uint8_t *)"abc", 3, 4};
    assert_int_equal(add_block(CODEC_NONE, &raw_block, NULL), 0);
    assert_int_equal(add_block(CODEC_NONE, &hole, NULL), 0);
    assert_int_equal(add_block(CODEC_NONE, &wrong, NULL), -1);
}

/* Only the header says how large a window is; it is not protected by a checksum of its own. */
static void a_window_that_zstd_would_refuse_is_not_taken(void **state)
{
    struct codec_spec spec = sample_spec("zstd");
    uint8_t *raw CLEANUP_FREE = sample_new(SAMPLE_TEXT, seed, CHUNK);
    struct result result;
    struct result_cursor cursor = {0};
    struct result_block block;
    struct err err CLEANUP_ERR = ERR_INIT;
    size_t len;

    (void)state;
    spec.dict_size = 1024;
    uint8_t *encoded CLEANUP_FREE = sample_encode(&spec, CHUNK, raw, CHUNK, &len);
    uint8_t *window = encoded + result_head_size(1) + 5;
    assert_int_equal(result_parse(encoded, len, &result, NULL), 0);
    assert_true(result_next(&result, &cursor, &block));
    assert_int_equal(*window, 0);
    *window = (27 - 10) << 3;
    assert_int_equal(add_block(CODEC_ZSTD, &block, NULL), 0);
    *window |= 1;
    assert_int_equal(add_block(CODEC_ZSTD, &block, &err), -1);
    assert_non_null(strstr(err.text, "window of more than 128 MiB"));
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
        cmocka_unit_test(a_container_is_read_again),
        cmocka_unit_test(a_container_without_blocks_is_read_again),
        cmocka_unit_test(a_container_is_known_by_its_start),
        cmocka_unit_test(a_container_may_stand_in_the_middle_of_a_file),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(a_file_that_lost_its_end_while_open_is_refused),
        cmocka_unit_test(every_bit_flip_is_refused_or_harmless),
        cmocka_unit_test(two_containers_in_a_row_are_refused),
        cmocka_unit_test(padding_before_and_behind_is_refused),
        cmocka_unit_test(swapped_blocks_are_never_taken_for_the_right_ones),
        cmocka_unit_test(a_seek_table_of_another_kind_is_refused),
        cmocka_unit_test(a_seek_table_without_checksums_is_read),
        cmocka_unit_test(an_uncompressed_image_has_no_index),
        cmocka_unit_test(blocks_that_are_not_what_they_should_be_are_not_taken),
        cmocka_unit_test(a_window_that_zstd_would_refuse_is_not_taken),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
