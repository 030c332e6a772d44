/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec/chunk_digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../documented_digest.h"
#include "base/multi_digest.h"
#include "base/units.h"
#include "../chance.h"
#include "sample.h"

#define LEAF CHUNK_DIGEST_LEAF
/* More than is hashed at a time. */
#define SIZE ((MULTI_DIGEST_MAX + 9) * LEAF)

struct chunks {
    uint8_t *data; /* of SIZE bytes */
    struct chunk_digest *digest;
    uint64_t seed;
};

static size_t draw(struct chunks *chunks, size_t limit)
{
    chunks->seed = chunks->seed * UINT64_C(6364136223846793005) + 1;
    return (size_t)(chunks->seed >> 33) % limit;
}

static struct chunks begin(void)
{
    struct chunks chunks = {NULL, chunk_digest_new(), chance_seed()};

    chunks.data = sample_new(SAMPLE_RANDOM, chunks.seed, SIZE);
    return chunks;
}

static void end(struct chunks *chunks)
{
    chunk_digest_free(chunks->digest);
    free(chunks->data);
}

static void check(const struct chunks *chunks, size_t len)
{
    uint8_t own[DIGEST_SIZE], expected[DIGEST_SIZE];

    chunk_digest_of(chunks->digest, chunks->data, len, own);
    documented_chunk_digest(chunks->data, len, expected);
    if (memcmp(own, expected, DIGEST_SIZE) != 0)
        fail_msg("%zu bytes: the digest is wrong", len);
}

/* Made with Python's hashlib. */
static void known_chunks_have_known_digests(void **state)
{
    static const struct {
        int byte;
        size_t len;
        const char *hex;
    } vectors[] = {
        {'a', 1000000, "e38bc18652af83b8114b4c4c339984439aac9e0c099ac62f3a99e974bae57702"},
        {0, 1 << 20, "b937718757ff73067a66285aa3d342e0978afb7466d6f631bbee27a16a95e3c2"},
    };
    struct chunks chunks = begin();
    uint8_t digest[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
        memset(chunks.data, vectors[i].byte, vectors[i].len);
        chunk_digest_of(chunks.digest, chunks.data, vectors[i].len, digest);
        digest_to_hex(digest, hex);
        assert_string_equal(hex, vectors[i].hex);
    }
    end(&chunks);
}

static void chunks_of_any_length(void **state)
{
    struct chunks chunks = begin();

    (void)state;
    check(&chunks, 1);
    check(&chunks, SIZE);
    for (size_t leaves = 1; leaves <= MULTI_DIGEST_MAX + 1; leaves += leaves < 3 ? 1 : 21) {
        check(&chunks, leaves * LEAF - 1);
        check(&chunks, leaves * LEAF);
        check(&chunks, leaves * LEAF + 1);
    }
    check(&chunks, MULTI_DIGEST_MAX * LEAF);
    for (unsigned i = 0; i < 30; i++)
        check(&chunks, 1 + draw(&chunks, SIZE));
    end(&chunks);
}

static void check_blocks(const struct chunks *chunks, size_t len)
{
    size_t leaves_size = chunk_digest_leaf_count(len) * DIGEST_SIZE;
    CLEANUP_FREE uint8_t *blocks = mem_alloc(chunk_digest_blocks_size(len) + 1);
    CLEANUP_FREE uint8_t *leaves = mem_alloc(leaves_size + 1);
    uint8_t own[DIGEST_SIZE], of_leaves[DIGEST_SIZE], expected[DIGEST_SIZE];
    const uint8_t *block = blocks, *leaf = leaves;

    blocks[chunk_digest_blocks_size(len)] = 0xa5;
    leaves[leaves_size] = 0xa5;
    chunk_digest_with_parts(chunks->digest, chunks->data, len, own,
                            (struct chunk_digest_parts){blocks, leaves});
    documented_chunk_digest(chunks->data, len, expected);
    assert_memory_equal(own, expected, DIGEST_SIZE);
    for (size_t at = 0; at < len; at += 65536, block += DIGEST_SIZE) {
        documented_chunk_digest(chunks->data + at, len - at < 65536 ? len - at : 65536, expected);
        if (memcmp(block, expected, DIGEST_SIZE) != 0)
            fail_msg("%zu bytes: the digest of the block at %zu is wrong", len, at);
    }
    assert_ptr_equal(block, blocks + chunk_digest_blocks_size(len));
    assert_int_equal(*block, 0xa5);
    for (size_t at = 0; at < len; at += LEAF, leaf += DIGEST_SIZE) {
        digest_of(chunks->data + at, len - at < LEAF ? len - at : LEAF, expected);
        if (memcmp(leaf, expected, DIGEST_SIZE) != 0)
            fail_msg("%zu bytes: the digest of the leaf at %zu is wrong", len, at);
    }
    assert_ptr_equal(leaf, leaves + leaves_size);
    assert_int_equal(*leaf, 0xa5);
    chunk_digest_of_leaves(chunks->digest, leaves, leaves_size / DIGEST_SIZE, of_leaves);
    assert_memory_equal(of_leaves, own, DIGEST_SIZE);
}

/* The digest of a block is the one that it has as a chunk. */
static void blocks_are_hashed_beside_the_chunk(void **state)
{
    struct chunks chunks = begin();

    (void)state;
    for (size_t leaves = 1; leaves <= MULTI_DIGEST_MAX + 3; leaves += leaves < 5 ? 1 : 21) {
        check_blocks(&chunks, leaves * LEAF - 1);
        check_blocks(&chunks, leaves * LEAF);
        check_blocks(&chunks, leaves * LEAF + 1);
    }
    memset(chunks.data, 0, 3 * LEAF);
    for (unsigned i = 0; i < 30; i++)
        check_blocks(&chunks, 1 + draw(&chunks, SIZE));
    end(&chunks);
}

static void leaves_of_zeros_anywhere(void **state)
{
    struct chunks chunks = begin();

    (void)state;
    for (unsigned i = 0; i < 60; i++) {
        size_t at = draw(&chunks, SIZE);
        memset(chunks.data + at, 0, draw(&chunks, SIZE - at + 1));
        /* a leaf that is nearly one of zeros */
        chunks.data[draw(&chunks, SIZE / LEAF) * LEAF + draw(&chunks, 2) * (LEAF - 1)] = 1;
        check(&chunks, SIZE - draw(&chunks, 2 * LEAF));
    }
    end(&chunks);
}

static void zeros_need_no_data(void **state)
{
    static const size_t lengths[] = {1, LEAF - 1, LEAF, LEAF + 1, 65536, SIZE - 1, SIZE};
    struct chunks chunks = begin();
    uint8_t own[DIGEST_SIZE], expected[DIGEST_SIZE];

    (void)state;
    memset(chunks.data, 0, SIZE);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        check(&chunks, lengths[i]);
        chunk_digest_of_zeros(chunks.digest, lengths[i], own);
        documented_chunk_digest(chunks.data, lengths[i], expected);
        assert_memory_equal(own, expected, DIGEST_SIZE);
    }
    end(&chunks);
}

static void it_is_within_its_figure(void **state)
{
    (void)state;
    if (SANITIZED)
        skip();
    struct chunks chunks = begin();
    chunk_digest_free(chunks.digest);
    size_t before = sample_allocated();
    chunks.digest = chunk_digest_new();
    check(&chunks, SIZE);
    size_t taken = sample_allocated() - before;
    /* Without libipsec-mb it is some hundred bytes. */
    if (taken > chunk_digest_memory() || chunk_digest_memory() > 2 * taken + KIB)
        fail_msg("%zu bytes are allocated, the figure is %llu", taken,
                 (unsigned long long)chunk_digest_memory());
    end(&chunks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_chunks_have_known_digests),
        cmocka_unit_test(chunks_of_any_length),
        cmocka_unit_test(blocks_are_hashed_beside_the_chunk),
        cmocka_unit_test(leaves_of_zeros_anywhere),
        cmocka_unit_test(zeros_need_no_data),
        cmocka_unit_test(it_is_within_its_figure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
