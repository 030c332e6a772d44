/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A chunk is written as a letter: "d" data, of which every fifth block is zeros; "z" zeros, as it is
 * found when it is read; "Z" zeros and "S" the same, which need not be read, and then a run of one
 * chunk each. Of an increment "d" is a chunk of which some blocks are the same.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../chance.h"
#include "base/io.h"
#include "base/units.h"
#include "repository/block_id.h"
#include "repository/chunk_hasher.h"

#define BLOCK ((size_t)LIMITS_BLOCK)
#define LARGE ((uint64_t)PLAN_BLOCKS * LIMITS_BLOCK)
#define SMALL MANIFEST_MAP_CHUNK
#define AHEAD_MOST 6u

static const uint8_t salt[DIGEST_SIZE] = {5, 6, 7};

struct image {
    const char *chunks;
    uint64_t same; /* blocks of each chunk of data */
    struct chunk_source source;
    uint64_t looks, reads; /* chunks */
    size_t len_read;       /* 0: all */
    enum chunk_kind kind_read;
    bool early; /* a chunk was looked at before the one before it was hashed */
};

/* ---- a thread that hashes slowly ------------------------------------------------------------- */

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool slow;
    bool looked; /* at the chunk after the one that is hashed */
    bool hashed;
} gate = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

void __real_chunk_digest_with_parts(struct chunk_digest *chunk, const void *data, size_t len,
                                    uint8_t *ret, struct chunk_digest_parts parts);
void __wrap_chunk_digest_with_parts(struct chunk_digest *chunk, const void *data, size_t len,
                                    uint8_t *ret, struct chunk_digest_parts parts);

/* Gives whoever does not wait time to be seen. */
void __wrap_chunk_digest_with_parts(struct chunk_digest *chunk, const void *data, size_t len,
                                    uint8_t *ret, struct chunk_digest_parts parts)
{
    struct timespec until;

    pthread_mutex_lock(&gate.mutex);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec++;
    while (gate.slow && !gate.looked &&
           pthread_cond_timedwait(&gate.changed, &gate.mutex, &until) == 0)
        ;
    pthread_mutex_unlock(&gate.mutex);
    __real_chunk_digest_with_parts(chunk, data, len, ret, parts);
    pthread_mutex_lock(&gate.mutex);
    gate.hashed = true;
    pthread_mutex_unlock(&gate.mutex);
}

/* ---- the image ------------------------------------------------------------------------------- */

static size_t len_of(const struct image *image, uint64_t id)
{
    return (size_t)chunk_raw_len(id, image->source.chunk_size, image->source.raw_size);
}

static void fill_block(const struct image *image, uint64_t id, size_t block, uint8_t *data,
                       size_t len)
{
    uint64_t chance = id << 32 | block;

    if (image->chunks[id] != 'd' || (id + block) % 5 == 4)
        memset(data, 0, len);
    else
        for (size_t i = 0; i < len; i++)
            data[i] = (uint8_t)chance_next(&chance);
}

static void fill_blocks(const struct image *image, uint64_t id, uint64_t blocks, uint8_t *data)
{
    size_t len = len_of(image, id);

    for (size_t at = 0; at < len; at += BLOCK)
        if (blocks >> at / BLOCK & 1)
            fill_block(image, id, at / BLOCK, data + at, len - at < BLOCK ? len - at : BLOCK);
}

static int look_at_image(void *opaque, uint64_t id, struct chunk_run *ret, struct err *err)
{
    struct image *image = opaque;

    (void)err;
    assert_int_equal(id, image->looks);
    assert_true(id < image->source.count);
    if (id > 0) {
        pthread_mutex_lock(&gate.mutex);
        image->early = image->early || !gate.hashed;
        gate.looked = true;
        pthread_cond_broadcast(&gate.changed);
        pthread_mutex_unlock(&gate.mutex);
    }
    char letter = image->chunks[id];
    *ret = (struct chunk_run){.kind = letter == 'S'   ? CHUNK_SAME
                                      : letter == 'Z' ? CHUNK_ZERO
                                                      : CHUNK_DATA,
                              .count = letter == 'S' || letter == 'Z'
                                           ? strspn(image->chunks + id, (char[]){letter, '\0'})
                                           : 100};
    image->looks += ret->kind == CHUNK_DATA ? 1 : ret->count;
    return 0;
}

static int read_image(void *opaque, uint64_t id, void *data, size_t cap, size_t *ret_len,
                      enum chunk_kind *ret_kind, struct err *err)
{
    struct image *image = opaque;

    (void)err;
    assert_int_equal(cap, len_of(image, id));
    image->reads++;
    if (image->kind_read != CHUNK_DATA) {
        *ret_kind = image->kind_read;
        return 0;
    }
    *ret_len = image->len_read ? image->len_read : cap;
    *ret_kind = image->chunks[id] == 'z' ? CHUNK_ZERO : CHUNK_DATA;
    if (*ret_kind == CHUNK_DATA)
        fill_blocks(image, id, UINT64_MAX, data);
    return 0;
}

static int find_same(void *opaque, uint64_t id, uint64_t *ret_same, struct err *err)
{
    const struct image *image = opaque;

    (void)id;
    (void)err;
    *ret_same = image->same;
    return 0;
}

static int read_blocks(void *opaque, uint64_t id, uint64_t blocks, void *data, struct err *err)
{
    struct image *image = opaque;

    (void)err;
    assert_int_equal(blocks, ~image->same);
    image->reads++;
    memset(data, 0xee, len_of(image, id));
    fill_blocks(image, id, blocks, data);
    return 0;
}

/* The last chunk has so many bytes less. */
static void image_make(struct image *image, const char *chunks, uint64_t chunk_size, uint64_t less)
{
    uint64_t count = strlen(chunks);

    gate.slow = gate.looked = gate.hashed = false;
    *image = (struct image){.chunks = chunks,
                            .source = {.opaque = image,
                                       .count = count,
                                       .chunk_size = chunk_size,
                                       .raw_size = count * chunk_size - less,
                                       .look = look_at_image,
                                       .read = read_image}};
}

static void image_make_increment(struct image *image, const char *chunks, uint64_t less,
                                 uint64_t same)
{
    image_make(image, chunks, LARGE, less);
    image->same = same;
    image->source.find_same = find_same;
    image->source.read_blocks = read_blocks;
}

static struct chunk_hasher *hasher_of(const struct image *image)
{
    struct chunk_hasher *hasher = chunk_hasher_new(&image->source, salt, NULL);

    assert_non_null(hasher);
    return hasher;
}

/* ---- what is expected ------------------------------------------------------------------------ */

static void check_block(const struct hashed_chunk *chunk, uint32_t i, const uint8_t *data,
                        size_t len)
{
    CLEANUP(chunk_digest_freep) struct chunk_digest *digest = chunk_digest_new();
    CLEANUP(block_ids_freep) struct block_ids *ids = block_ids_new(salt);
    uint8_t expected[DIGEST_SIZE];
    struct id id;

    assert_memory_equal(chunk->data + i * BLOCK, data, len);
    assert_int_equal(chunk->zeros[i], io_is_zero(data, len));
    for (size_t at = 0; at < len; at += CHUNK_DIGEST_LEAF) {
        digest_of(data + at, len - at < CHUNK_DIGEST_LEAF ? len - at : CHUNK_DIGEST_LEAF, expected);
        assert_memory_equal(chunk->leaves +
                                (i * HASHER_BLOCK_LEAVES + at / CHUNK_DIGEST_LEAF) * DIGEST_SIZE,
                            expected, DIGEST_SIZE);
    }
    if (chunk->zeros[i])
        return;
    chunk_digest_of(digest, data, len, expected);
    block_id_of(ids, expected, &id);
    assert_memory_equal(chunk->ids[i].bytes, id.bytes, ID_SIZE);
}

static void check_content(const struct hashed_chunk *chunk)
{
    CLEANUP(chunk_digest_freep) struct chunk_digest *digest = chunk_digest_new();
    uint8_t expected[DIGEST_SIZE];

    for (size_t at = 0, i = 0; at < chunk->len; at += SMALL, i++) {
        chunk_digest_of(digest, chunk->data + at, chunk->len - at < SMALL ? chunk->len - at : SMALL,
                        expected);
        assert_memory_equal(chunk->content + i * DIGEST_SIZE, expected, DIGEST_SIZE);
    }
}

static void check_chunk(const struct image *image, uint64_t id, const struct hashed_chunk *chunk)
{
    static uint8_t data[BLOCK];
    size_t len = len_of(image, id);
    uint64_t read = len;

    assert_int_equal(chunk->len, len);
    assert_int_equal(chunk->same, image->same);
    assert_int_equal(chunk->all_zeros, image->chunks[id] == 'z');
    if (chunk->all_zeros)
        return;
    assert_int_equal(chunk->block_count, units_div_up(len, BLOCK));
    for (uint32_t i = 0; i < chunk->block_count; i++) {
        size_t block_len = len - i * BLOCK < BLOCK ? len - i * BLOCK : BLOCK;
        if (image->same >> i & 1) {
            read -= block_len;
            continue;
        }
        fill_block(image, id, i, data, block_len);
        check_block(chunk, i, data, block_len);
    }
    assert_int_equal(chunk_hasher_bytes_read(chunk), read);
    if (!image->source.find_same)
        check_content(chunk);
}

/* Looks at all of it, and reads what must be. */
static void check_image(struct image *image)
{
    CLEANUP(chunk_hasher_freep) struct chunk_hasher *hasher = hasher_of(image);
    uint64_t data = 0;

    for (uint64_t id = 0; id < image->source.count; id++) {
        const struct hashed_chunk *chunk = NULL;
        struct chunk_run run;
        char letter = image->chunks[id];
        bool known = letter == 'S' || letter == 'Z';
        assert_int_equal(chunk_hasher_look(hasher, id, &run, NULL), 0);
        assert_int_equal(run.kind, letter == 'S'   ? CHUNK_SAME
                                   : letter == 'Z' ? CHUNK_ZERO
                                                   : CHUNK_DATA);
        assert_int_equal(run.count, known ? strspn(image->chunks + id, (char[]){letter, '\0'}) : 1);
        if (known)
            continue;
        assert_int_equal(chunk_hasher_read(hasher, id, &chunk, NULL), 0);
        check_chunk(image, id, chunk);
        data++;
    }
    assert_int_equal(image->reads, data);
}

/* ---- tests ----------------------------------------------------------------------------------- */

/* The last block is short, and of zeros, and its place has had other bytes. */
static void test_an_image_that_is_read_whole(void **state)
{
    struct image image;

    (void)state;
    image_make(&image, "dzddzdddd", LARGE, 57 * BLOCK + 100); /* 6 blocks, and one that is short */
    check_image(&image);
    image_make(&image, "dddddddd", SMALL, 100);
    check_image(&image);
    image_make(&image, "d", SMALL, SMALL - 1);
    check_image(&image);
}

static void test_runs_that_need_not_be_read(void **state)
{
    struct image image;

    (void)state;
    image_make(&image, "ZZZdZdZZZZZZZZZZZZd", SMALL, 0);
    check_image(&image);
}

static void test_blocks_that_are_the_same_are_not_read(void **state)
{
    static const uint64_t masks[] = {0,
                                     1,
                                     UINT64_C(1) << 63,
                                     UINT64_C(0xf0f0f0f00000ffff),
                                     UINT64_C(0x5555555555555555),
                                     UINT64_C(1) << 3};
    struct image image;

    (void)state;
    for (size_t i = 0; i < sizeof(masks) / sizeof(*masks); i++) {
        image_make_increment(&image, "dSSdddS", 0, masks[i]);
        check_image(&image);
        image_make_increment(&image, "dSdddddd", 60 * BLOCK + 100, masks[i]);
        check_image(&image);
    }
}

/* So that a chunk is read while another one is hashed. */
static void test_chunks_are_read_ahead(void **state)
{
    const struct hashed_chunk *chunk = NULL;
    struct image image;

    (void)state;
    image_make(&image, "dddddddddddddddddddd", SMALL, 0);
    CLEANUP(chunk_hasher_freep) struct chunk_hasher *hasher = hasher_of(&image);
    assert_int_equal(chunk_hasher_read(hasher, 0, &chunk, NULL), 0);
    assert_int_equal(image.reads, 3);
    for (uint64_t id = 1; id < 14; id++) {
        assert_int_equal(chunk_hasher_read(hasher, id, &chunk, NULL), 0);
        assert_true(image.reads > id + 2 && image.reads <= id + AHEAD_MOST);
    }
}

/* Whoever passes over a chunk waits for the thread, which may still be at it. */
static void test_a_place_is_not_used_again_while_it_is_hashed(void **state)
{
    struct image image;
    struct chunk_run run;

    (void)state;
    image_make(&image, "dZ", SMALL, 0);
    gate.slow = true;
    CLEANUP(chunk_hasher_freep) struct chunk_hasher *hasher = hasher_of(&image);
    assert_int_equal(chunk_hasher_look(hasher, 0, &run, NULL), 0);
    assert_int_equal(chunk_hasher_look(hasher, 1, &run, NULL), 0);
    assert_int_equal(run.kind, CHUNK_ZERO);
    assert_false(image.early);
}

static void check_refused(struct image *image, const char *text)
{
    CLEANUP(chunk_hasher_freep) struct chunk_hasher *hasher = hasher_of(image);
    CLEANUP_ERR struct err err = ERR_INIT;
    struct chunk_run run;

    assert_int_equal(chunk_hasher_look(hasher, 0, &run, &err), -1);
    assert_int_equal(err.kind, ERR_INTERNAL);
    assert_non_null(strstr(err.text, text));
}

static void test_a_source_that_breaks_its_promises_is_refused(void **state)
{
    struct image image;

    (void)state;
    image_make(&image, "d", SMALL, 0);
    image.len_read = SMALL - 1;
    check_refused(&image, "was read with");
    image_make(&image, "d", SMALL, 0);
    image.kind_read = CHUNK_SAME;
    check_refused(&image, "was read with");
    image_make(&image, "S", SMALL, 0);
    check_refused(&image, "cannot be hashed");
}

static void test_one_that_was_not_used_ends(void **state)
{
    struct image image;

    (void)state;
    image_make(&image, "d", SMALL, 0);
    chunk_hasher_free(hasher_of(&image));
    chunk_hasher_free(NULL);
    assert_int_equal(image.reads, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_image_that_is_read_whole),
        cmocka_unit_test(test_runs_that_need_not_be_read),
        cmocka_unit_test(test_blocks_that_are_the_same_are_not_read),
        cmocka_unit_test(test_chunks_are_read_ahead),
        cmocka_unit_test(test_a_place_is_not_used_again_while_it_is_hashed),
        cmocka_unit_test(test_a_source_that_breaks_its_promises_is_refused),
        cmocka_unit_test(test_one_that_was_not_used_ends),
    };

    return cmocka_run_group_tests_name("repository chunk hasher", tests, NULL, NULL);
}
