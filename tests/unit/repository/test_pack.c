/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "one_object.h"
#include "repository/format/pack.h"

#define NAME "d/default/22/22222222222222222222222222222222-00000007"

static struct pack_id pack_id;

static void fill_ids(void)
{
    memset(pack_id.repository.bytes, 0x11, ID_SIZE);
    memset(pack_id.session.bytes, 0x22, ID_SIZE);
    pack_id.number = 7;
}

static void add(struct pack_writer *writer, const char *data, uint32_t raw_len, uint8_t first_id)
{
    uint32_t blocks = (raw_len + LIMITS_BLOCK - 1) / LIMITS_BLOCK;
    struct id ids[LIMITS_FRAME_BLOCKS];
    struct pack_index_added frame = {(uint32_t)strlen(data), raw_len, CODEC_ZSTD, blocks, ids};

    for (uint32_t i = 0; i < blocks; i++)
        memset(ids[i].bytes, (int)(first_id + i), ID_SIZE);
    assert_true(pack_writer_fits(writer, frame.stored_len, blocks));
    assert_int_equal(pack_writer_add(writer, data, &frame, NULL), 0);
}

/* A pack of two frames; its bytes belong to the writer. */
struct small_pack {
    struct pack_writer *writer;
    struct pack_bytes bytes;
};

static void small_pack_clear(struct small_pack *pack)
{
    pack_writer_free(pack->writer);
}

#define CLEANUP_SMALL_PACK CLEANUP(small_pack_clear)

static struct small_pack make_small(void)
{
    struct small_pack pack = {.writer = pack_writer_new(NULL)};

    assert_non_null(pack.writer);
    add(pack.writer, "first", LIMITS_BLOCK + 5, 1);
    add(pack.writer, "second", 3, 3);
    assert_int_equal(pack_writer_close(pack.writer, &pack_id, &pack.bytes, NULL), 0);
    return pack;
}

static void the_bytes_are_as_documented(void **state)
{
    static const uint8_t head[] = {
        'V',  'B',  'P',  'A',  'C',  'K',  '1',  '\n',                   /* */
        0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,                   /* repository */
        0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,                   /* */
        0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22,                   /* session */
        0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22,                   /* */
        0,    0,    0,    7,    0,    0,    0,    0,    0,   0,   0,   0, /* number, flags, K */
        0,    0,    0,    0,    0,    0,    0,    0,    0,   0,   0,   0, /* salt */
        'f',  'i',  'r',  's',  't',  's',  'e',  'c',  'o', 'n', 'd',    /* frames */
        0,    0,    0,    2,    0,    0,    0,    3,                      /* the index */
        0,    0,    0,    5,    0,    1,    0,    5,    1,   2,   0,   0, /* */
        0,    0,    0,    6,    0,    0,    0,    3,    1,   1,   0,   0, /* */
    };
    static const uint8_t tail[] = {
        0,   0,   0,   0,   0,   0,   0,   75,   0, 0, 0, 80, 0, 0, 0, 0,
        'V', 'B', 'P', 'E', 'N', 'D', '1', '\n', 0, 0, 0, 0,  0, 0, 0, 0,
    };
    uint8_t sha256[DIGEST_SIZE];

    (void)state;
    CLEANUP_SMALL_PACK struct small_pack small = make_small();
    const uint8_t *data = small.bytes.data;
    assert_int_equal((uintptr_t)data % 4096, 0);
    assert_int_equal(small.bytes.len, 64 + 11 + 80 + 64);
    assert_memory_equal(data, head, sizeof(head));
    assert_memory_equal(data + small.bytes.len - 64, tail, sizeof(tail));
    digest_of(data, small.bytes.len - 32, sha256);
    assert_memory_equal(data + small.bytes.len - 32, sha256, 32);
    assert_int_equal(small.bytes.digest.size, small.bytes.len);
    assert_int_equal(small.bytes.digest.index_offset, 75);
    assert_int_equal(small.bytes.digest.block_count, 3);
    digest_of(data + 75, 80, sha256);
    assert_memory_equal(small.bytes.digest.index, sha256, 32);
}

static void a_pack_comes_back(void **state)
{
    CLEANUP_PACK_INDEX struct pack_index index = {0};
    CLEANUP_PACK struct pack pack = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    struct pack_digest digest;
    char frame[6];

    (void)state;
    CLEANUP_SMALL_PACK struct small_pack small = make_small();
    if (pack_parse(small.bytes.data, small.bytes.len, &pack_id, &index, &digest, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(index.frame_count, 2);
    assert_memory_equal(&digest, &small.bytes.digest, sizeof(digest));

    struct one_object object = one_object_of(NAME, small.bytes.data, small.bytes.len);
    if (pack_open(&object.store, "default", &pack_id, &small.bytes.digest, &pack, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(object.gets, 2);
    assert_int_equal(pack.index.block_count, 3);
    assert_int_equal(pack.index.ids[2].bytes[0], 3);
    assert_int_equal(pack_read_frame(&pack, 0, frame, NULL), 0);
    assert_memory_equal(frame, "first", 5);
    assert_int_equal(pack_read_frame(&pack, 1, frame, NULL), 0);
    assert_memory_equal(frame, "second", 6);
    object.len = 70;
    assert_int_equal(pack_read_frame(&pack, 1, frame, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
}

static void a_writer_goes_on_with_the_next_pack(void **state)
{
    CLEANUP_PACK_INDEX struct pack_index index = {0};
    struct pack_bytes empty;

    (void)state;
    CLEANUP_SMALL_PACK struct small_pack small = make_small();
    assert_int_equal(pack_writer_frame_count(small.writer), 2);
    pack_writer_begin(small.writer);
    assert_int_equal(pack_writer_frame_count(small.writer), 0);
    assert_int_equal(pack_writer_close(small.writer, &pack_id, &empty, NULL), 0);
    assert_int_equal(empty.len, 64 + 8 + 64);
    assert_int_equal(pack_parse(empty.data, empty.len, &pack_id, &index, NULL, NULL), 0);
    assert_int_equal(index.frame_count, 0);
}

static void a_pack_is_filled_to_its_last_byte(void **state)
{
    enum { FRAME = 1 << 20 };
    CLEANUP(pack_writer_freep) struct pack_writer *writer = pack_writer_new(NULL);
    CLEANUP_PACK_INDEX struct pack_index index = {0};
    CLEANUP_FREE uint8_t *data = mem_alloc(FRAME);
    struct id ids[LIMITS_FRAME_BLOCKS] = {0};
    struct pack_index_added frame = {FRAME, FRAME, CODEC_NONE, LIMITS_FRAME_BLOCKS, ids};
    struct pack_bytes bytes;

    (void)state;
    for (int i = 0; i < 31; i++)
        assert_int_equal(pack_writer_add(writer, data, &frame, NULL), 0);
    assert_false(pack_writer_fits(writer, FRAME, 16));
    assert_false(pack_writer_fits(writer, FRAME - 63, 16));
    frame.stored_len = FRAME - 64;
    assert_true(pack_writer_fits(writer, frame.stored_len, 16));
    assert_int_equal(pack_writer_add(writer, data, &frame, NULL), 0);
    assert_int_equal(pack_writer_close(writer, &pack_id, &bytes, NULL), 0);
    assert_int_equal(bytes.digest.index_offset, LIMITS_PACK_BODY);
    assert_int_equal(pack_parse(bytes.data, bytes.len, &pack_id, &index, NULL, NULL), 0);
}

static void what_a_reader_would_refuse_is_not_written(void **state)
{
    CLEANUP(pack_writer_freep) struct pack_writer *writer = pack_writer_new(NULL);
    CLEANUP_ERR struct err err = ERR_INIT;
    struct id ids[LIMITS_FRAME_BLOCKS] = {0};
    struct pack_index_added frame = {1, LIMITS_BLOCK + 1, CODEC_NONE, 1, ids};
    struct pack_bytes bytes;

    (void)state;
    assert_int_equal(pack_writer_add(writer, "x", &frame, NULL), 0);
    assert_int_equal(pack_writer_close(writer, &pack_id, &bytes, &err), -1);
    assert_int_equal(err.kind, ERR_CORRUPT);
}

static void every_flipped_bit_is_found(void **state)
{

    (void)state;
    CLEANUP_SMALL_PACK struct small_pack small = make_small();
    CLEANUP_BUF struct buf copy = {0};
    buf_append(&copy, small.bytes.data, small.bytes.len);
    for (size_t bit = 0; bit < copy.len * 8; bit++) {
        CLEANUP_PACK_INDEX struct pack_index index = {0};
        CLEANUP_PACK struct pack pack = {0};
        size_t at = bit / 8;
        copy.data[at] ^= (uint8_t)(1 << bit % 8);
        if (pack_parse(copy.data, copy.len, &pack_id, &index, NULL, NULL) == 0)
            fail_msg("bit %zu was not found", bit);
        /* By parts all are found but those of the frames and of the SHA-256 of the whole. */
        struct one_object object = one_object_of(NAME, copy.data, copy.len);
        bool seen = at < 64 || (at >= 75 && at < copy.len - 32);
        if (pack_open(&object.store, "default", &pack_id, &small.bytes.digest, &pack, NULL) !=
            (seen ? -1 : 0))
            fail_msg("bit %zu of parts", bit);
        copy.data[at] ^= (uint8_t)(1 << bit % 8);
    }
}

static void every_other_length_is_refused(void **state)
{
    CLEANUP_PACK_INDEX struct pack_index index = {0};
    CLEANUP_PACK struct pack pack = {0};

    (void)state;
    CLEANUP_SMALL_PACK struct small_pack small = make_small();
    for (size_t len = 0; len <= small.bytes.len + 1; len++) {
        struct one_object object = one_object_of(NAME, small.bytes.data, len);
        if (len == small.bytes.len)
            continue;
        assert_int_equal(pack_parse(small.bytes.data, len, &pack_id, &index, NULL, NULL), -1);
        assert_int_equal(
            pack_open(&object.store, "default", &pack_id, &small.bytes.digest, &pack, NULL), -1);
    }
}

/* Sets a byte of a small pack and corrects its SHA-256. */
static void what_a_pack_cannot_say_is_refused(void **state)
{
    static const struct {
        size_t at;
        uint8_t byte;
        enum err_kind kind;
        const char *says;
    } rows[] = {
        {6, '2', ERR_CORRUPT, "begin"},
        {8, 0x12, ERR_CORRUPT, "another repository"},
        {39, 0x12, ERR_CORRUPT, "another pack"},
        {43, 8, ERR_CORRUPT, "another pack"},
        {47, 1, ERR_UNSUPPORTED, "encrypted repositories are not supported by this version"},
        {47, 3, ERR_UNSUPPORTED, "encrypted"},
        {47, 2, ERR_CORRUPT, "cipher"},
        {47, 4, ERR_UNSUPPORTED, "unknown flags: 4"},
        {44, 0x80, ERR_UNSUPPORTED, "unknown flags: 80000000"},
        {51, 88, ERR_CORRUPT, "keys"},
        {63, 1, ERR_CORRUPT, "keys"},
        {155 + 7, 76, ERR_CORRUPT, "add up"},
        {155 + 0, 1, ERR_CORRUPT, "add up"},
        {155 + 11, 81, ERR_CORRUPT, "add up"},
        {155 + 15, 1, ERR_CORRUPT, "reserved"},
        {155 + 16, 'v', ERR_CORRUPT, "end"},
        {155 + 31, 1, ERR_CORRUPT, "reserved"},
        {78, 3, ERR_CORRUPT, "do not hold"},
    };

    (void)state;
    CLEANUP_SMALL_PACK struct small_pack small = make_small();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP_PACK_INDEX struct pack_index index = {0};
        CLEANUP_BUF struct buf copy = {0};
        CLEANUP_ERR struct err err = ERR_INIT;
        buf_append(&copy, small.bytes.data, small.bytes.len);
        copy.data[rows[i].at] = rows[i].byte;
        digest_of(copy.data, copy.len - 32, copy.data + copy.len - 32);
        if (pack_parse(copy.data, copy.len, &pack_id, &index, NULL, &err) == 0)
            fail_msg("row %zu was taken", i);
        if (err.kind != rows[i].kind || !strstr(err.text, rows[i].says))
            fail_msg("row %zu: %s", i, err.text);
    }
}

static void digests_of_no_pack_are_corrupt(void **state)
{
    static const struct {
        uint32_t size, index_offset, block_count;
        bool good;
    } rows[] = {
        {64 + 8 + 64, 64, 0, true},
        {64 + 8 + 63, 64, 0, false},
        {64 + 8 + 64, 63, 0, false},
        {64 + 8 + 16 + 64, 64, 1, true},
        {64 + 8 + 15 + 64, 64, 1, false},
        {LIMITS_PACK, LIMITS_PACK_BODY, LIMITS_PACK_BLOCKS, true},
        {LIMITS_PACK + 1, LIMITS_PACK_BODY, LIMITS_PACK_BLOCKS, false},
        {LIMITS_PACK + 1, LIMITS_PACK_BODY + 1, LIMITS_PACK_BLOCKS, false},
        {LIMITS_PACK, LIMITS_PACK_BODY, LIMITS_PACK_BLOCKS + 1, false},
        {UINT32_MAX, UINT32_MAX - 136, 0, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pack_digest digest = {{0}, rows[i].size, rows[i].index_offset, rows[i].block_count};
        if (pack_digest_check(&digest, NULL) != (rows[i].good ? 0 : -1))
            fail_msg("row %zu", i);
    }
}

static void a_pack_is_opened_by_what_its_point_knows(void **state)
{
    CLEANUP_PACK struct pack pack = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    CLEANUP_SMALL_PACK struct small_pack small = make_small();
    struct one_object object = one_object_of(NAME, small.bytes.data, small.bytes.len);
    struct pack_digest other = small.bytes.digest;
    other.block_count--;
    assert_int_equal(pack_open(&object.store, "default", &pack_id, &other, &pack, &err), -1);
    assert_non_null(strstr(err.text, "memory/" NAME ": has 3 blocks, and the point says 2"));
    other = small.bytes.digest;
    other.index[0] ^= 1;
    assert_int_equal(pack_open(&object.store, "default", &pack_id, &other, &pack, &err), -1);
    assert_non_null(strstr(err.text, "is not the pack that the point was made with"));
    /* An index that ends where it should, and begins a byte later. */
    CLEANUP_BUF struct buf copy = {0};
    buf_append(&copy, small.bytes.data, small.bytes.len);
    set_be64(copy.data + copy.len - 64, 76);
    set_be32(copy.data + copy.len - 56, 79);
    struct one_object moved = one_object_of(NAME, copy.data, copy.len);
    assert_int_equal(pack_open(&moved.store, "default", &pack_id, &small.bytes.digest, &pack, &err),
                     -1);
    assert_int_equal(pack_open(&object.store, "other", &pack_id, &small.bytes.digest, &pack, &err),
                     -1);
    assert_int_equal(err.kind, ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bytes_are_as_documented),
        cmocka_unit_test(a_pack_comes_back),
        cmocka_unit_test(a_writer_goes_on_with_the_next_pack),
        cmocka_unit_test(a_pack_is_filled_to_its_last_byte),
        cmocka_unit_test(what_a_reader_would_refuse_is_not_written),
        cmocka_unit_test(every_flipped_bit_is_found),
        cmocka_unit_test(every_other_length_is_refused),
        cmocka_unit_test(what_a_pack_cannot_say_is_refused),
        cmocka_unit_test(digests_of_no_pack_are_corrupt),
        cmocka_unit_test(a_pack_is_opened_by_what_its_point_knows),
    };

    fill_ids();
    return cmocka_run_group_tests_name("repository pack", tests, NULL, NULL);
}
