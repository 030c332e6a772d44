/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which indexes are read for the known blocks, and what becomes of those that cannot be: the session
 * and the packs are put in by the linker.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "repository/known_packs.h"

#define POINTS 2u
#define PACKS 4u /* of a point */

static struct stored_point points[POINTS];
static struct stored_scope scope = {.name = "default"};
static struct pack_id bad;
static struct {
    pthread_mutex_t mutex;
    unsigned char opened[POINTS][PACKS]; /* how often */
    enum err_kind fails[POINTS][PACKS];  /* ERR_NONE: it does not */
} packs = {.mutex = PTHREAD_MUTEX_INITIALIZER};

const struct stored_point *__wrap_session_known(const struct session *session, size_t number);
const struct stored_scope *__wrap_session_scope(const struct session *session);
bool __wrap_session_pack_is_bad(const struct session *session, const struct id *pack_session,
                                uint32_t number);
int __wrap_pack_open(struct store *store, const char *name, const struct pack_id *id,
                     const struct pack_digest *digest, struct pack *ret, struct err *err);

const struct stored_point *__wrap_session_known(const struct session *session, size_t number)
{
    (void)session;
    return number < POINTS ? &points[number] : NULL;
}

const struct stored_scope *__wrap_session_scope(const struct session *session)
{
    (void)session;
    return &scope;
}

bool __wrap_session_pack_is_bad(const struct session *session, const struct id *pack_session,
                                uint32_t number)
{
    (void)session;
    return id_compare(pack_session, &bad.session) == 0 && number == bad.number;
}

int __wrap_pack_open(struct store *store, const char *name, const struct pack_id *id,
                     const struct pack_digest *digest, struct pack *ret, struct err *err)
{
    unsigned point = id->session.bytes[0] - 1u;
    enum err_kind fails = packs.fails[point][id->number];

    (void)store;
    (void)name;
    (void)digest;
    pthread_mutex_lock(&packs.mutex);
    packs.opened[point][id->number]++;
    pthread_mutex_unlock(&packs.mutex);
    *ret = (struct pack){0};
    return fails == ERR_NONE ? 0 : err_set(err, fails, "pack %u", id->number);
}

/* Packs of one session each; blocks: of each pack. */
static void begin(const uint32_t blocks[static POINTS * PACKS])
{
    memset(packs.opened, 0, sizeof(packs.opened));
    memset(packs.fails, 0, sizeof(packs.fails));
    bad = (struct pack_id){0};
    for (unsigned i = 0; i < POINTS; i++) {
        const struct id session = {{(uint8_t)(i + 1)}};
        points[i].digests = mem_array(PACKS, sizeof(*points[i].digests));
        for (uint32_t j = 0; j < PACKS; j++) {
            assert_int_equal(packs_add(&points[i].packs, &session, j, NULL), 0);
            points[i].digests[j].block_count = blocks[i * PACKS + j];
        }
    }
}

static void end(void)
{
    for (unsigned i = 0; i < POINTS; i++) {
        packs_clear(&points[i].packs);
        free(points[i].digests);
        points[i] = (struct stored_point){0};
    }
}

static const uint32_t small[POINTS * PACKS] = {1, 1, 1, 1, 1, 1, 1, 1};

/* expected: for each pack, '1' if it was opened. */
static void expect_opened(const char *expected)
{
    for (unsigned i = 0; i < POINTS * PACKS; i++)
        assert_int_equal(packs.opened[i / PACKS][i % PACKS], expected[i] - '0');
}

static void read_packs(const bool *left_out, size_t memory, struct known_packs *ret)
{
    const struct known_request request = {.left_out = left_out, .memory = memory};
    CLEANUP_ERR struct err err = ERR_INIT;

    if (known_packs_read(&request, ret, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(ret->count, POINTS * PACKS);
}

static void what_is_left_out_is_of_the_first_point(void **state)
{
    const bool left_out[PACKS] = {false, true, true, false};
    CLEANUP_KNOWN_PACKS struct known_packs known = {0};

    (void)state;
    begin(small);
    bad = (struct pack_id){.session = {{2}}, .number = 3};
    read_packs(left_out, 1 << 20, &known);
    expect_opened("10011110");
    assert_int_equal(known.unread, 0);
    assert_null(known.why);
    end();
}

static void a_pack_that_cannot_be_read_is_passed_over(void **state)
{
    static const enum err_kind kinds[] = {ERR_NOT_FOUND, ERR_CORRUPT, ERR_UNSUPPORTED, ERR_DENIED,
                                          ERR_IO};

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        CLEANUP_KNOWN_PACKS struct known_packs known = {0};
        begin(small);
        packs.fails[0][2] = kinds[i];
        read_packs(NULL, 1 << 20, &known);
        expect_opened("11111111");
        assert_int_equal(known.unread, 1);
        assert_string_equal(known.why, "pack 2");
        end();
    }
}

static void anything_else_ends_it(void **state)
{
    const struct known_request request = {.memory = 1 << 20};
    CLEANUP_KNOWN_PACKS struct known_packs known = {0};
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    begin(small);
    packs.fails[1][0] = ERR_INTERNAL;
    assert_int_equal(known_packs_read(&request, &known, &err), -1);
    assert_int_equal(err.kind, ERR_INTERNAL);
    assert_string_equal(err.text, "pack 0");
    end();
}

/* The first that has no room ends it: what is behind it is older, and less likely to be of use. */
static void packs_are_read_as_long_as_there_is_room(void **state)
{
    const size_t memory = 1 << 20;
    struct known *set = known_new(memory);
    uint32_t most = 1;

    (void)state;
    while (known_fits(set, most + 1))
        most++;
    known_free(set);
    const uint32_t blocks[POINTS * PACKS] = {most / 2, most - most / 2 - 1, 1, 1, 0, 1, 1, 1};
    const uint32_t alone[POINTS * PACKS] = {1, most, 1, 1, 1, 1, 1, 1};
    CLEANUP_KNOWN_PACKS struct known_packs known = {0}, second = {0};
    begin(blocks);
    read_packs(NULL, memory, &known);
    expect_opened("11100000");
    end();
    begin(alone);
    read_packs(NULL, memory, &second);
    expect_opened("10000000");
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_out_is_of_the_first_point),
        cmocka_unit_test(a_pack_that_cannot_be_read_is_passed_over),
        cmocka_unit_test(anything_else_ends_it),
        cmocka_unit_test(packs_are_read_as_long_as_there_is_room),
    };

    return cmocka_run_group_tests_name("repository known_packs", tests, NULL, NULL);
}
