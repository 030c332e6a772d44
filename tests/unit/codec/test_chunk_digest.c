/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec/chunk_digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/units.h"
#include "sample.h"

#define SIZE ((size_t)(20 * MIB))

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
    struct chunks chunks = {calloc(1, SIZE), chunk_digest_new(), sample_seed()};

    assert_non_null(chunks.data);
    return chunks;
}

static void end(struct chunks *chunks)
{
    chunk_digest_free(chunks->digest);
    free(chunks->data);
}

/* So many zeros, a byte that is none if it lies before len, and whatever was there. */
static void check(const struct chunks *chunks, size_t zeros, size_t len)
{
    uint8_t own[DIGEST_SIZE], expected[DIGEST_SIZE];

    memset(chunks->data, 0, zeros < len ? zeros : len);
    if (zeros < len)
        chunks->data[zeros] = 1;
    chunk_digest_of(chunks->digest, chunks->data, len, own);
    digest_of(chunks->data, len, expected);
    if (memcmp(own, expected, DIGEST_SIZE) != 0)
        fail_msg("%zu zeros of %zu bytes: the digest is wrong", zeros, len);
}

static void whatever_a_chunk_begins_with_it_is_its_sha256(void **state)
{
    struct chunks chunks = begin();

    (void)state;
    for (unsigned i = 0; i < 60; i++) {
        size_t len = 1 + draw(&chunks, 2 * MIB);
        size_t zeros = draw(&chunks, len + 1);
        chunks.data[draw(&chunks, 2 * MIB)] = (uint8_t)i;
        check(&chunks, draw(&chunks, 4) == 0 ? 0 : zeros, len);
    }
    end(&chunks);
}

static void at_the_borders_too(void **state)
{
    static const size_t zeros[] = {0, 1, 65535, 65536, 65537, 131071, 131072, 1 << 20};
    struct chunks chunks = begin();

    (void)state;
    for (size_t i = 0; i < sizeof(zeros) / sizeof(*zeros); i++)
        for (size_t k = 0; k < sizeof(zeros) / sizeof(*zeros); k++)
            check(&chunks, zeros[i], zeros[k] ? zeros[k] : 2 * MIB);
    end(&chunks);
}

static void more_zeros_than_are_kept(void **state)
{
    struct chunks chunks = begin();

    (void)state;
    check(&chunks, SIZE, SIZE);
    check(&chunks, SIZE - 1, SIZE);
    check(&chunks, SIZE - MIB, SIZE);
    check(&chunks, 5, SIZE);
    end(&chunks);
}

static void what_is_kept_is_within_its_figure(void **state)
{
    struct chunks chunks = begin();
    size_t first = 0;

    (void)state;
    if (SANITIZED)
        skip();
    chunk_digest_free(chunks.digest);
    size_t before = sample_allocated();
    chunks.digest = chunk_digest_new();
    size_t empty = sample_allocated() - before;
    for (unsigned i = 0; i < 3; i++) {
        check(&chunks, SIZE, SIZE);
        size_t now = sample_allocated() - before;
        assert_true(now > empty);
        if (i > 0)
            assert_int_equal(now, first);
        first = now;
    }
    if (first > chunk_digest_memory() || chunk_digest_memory() > 2 * first)
        fail_msg("%zu bytes are allocated, the figure is %llu", first,
                 (unsigned long long)chunk_digest_memory());
    end(&chunks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_a_chunk_begins_with_it_is_its_sha256),
        cmocka_unit_test(at_the_borders_too),
        cmocka_unit_test(more_zeros_than_are_kept),
        cmocka_unit_test(what_is_kept_is_within_its_figure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
