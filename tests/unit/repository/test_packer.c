/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The packs of a session, with a target that counts, waits or fails.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "repository/packer.h"

/* So many frames make a pack. */
#define PACK_FRAMES 7u
#define FRAME_BLOCKS LIMITS_FRAME_BLOCKS_LZMA

struct target {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool closed;        /* puts wait */
    unsigned waiting;   /* so many of them */
    uint32_t numbers;   /* given */
    uint32_t fail_from; /* puts with this number or a later one */
    atomic_bool due;    /* until one was put */
};

#define TARGET_INIT                                                                                \
    {.mutex = PTHREAD_MUTEX_INITIALIZER,                                                           \
     .changed = PTHREAD_COND_INITIALIZER,                                                          \
     .fail_from = UINT32_MAX}

static int put(void *opaque, struct pack_writer *writer, struct pack_digest *ret_digest,
               struct pack_id *ret_id, struct err *err)
{
    struct target *target = opaque;
    struct pack_id id = {0};
    struct pack_bytes bytes;

    pthread_mutex_lock(&target->mutex);
    target->waiting++;
    pthread_cond_broadcast(&target->changed);
    while (target->closed)
        pthread_cond_wait(&target->changed, &target->mutex);
    target->waiting--;
    uint32_t number = target->numbers++;
    pthread_mutex_unlock(&target->mutex);
    if (number >= target->fail_from)
        return err_set(err, ERR_NO_SPACE, "the disk is full");
    if (pack_writer_close(writer, &id, &bytes, err) < 0)
        return -1;
    *ret_digest = bytes.digest;
    *ret_id = (struct pack_id){.number = number};
    target->due = false;
    return 0;
}

static bool is_due(void *opaque)
{
    const struct target *target = opaque;

    return target->due;
}

static void open_target(struct target *target, bool open)
{
    pthread_mutex_lock(&target->mutex);
    target->closed = !open;
    pthread_cond_broadcast(&target->changed);
    pthread_mutex_unlock(&target->mutex);
}

static struct packer *make_packer(struct target *target, unsigned buffers)
{
    const struct pack_target to = {target, put, is_due};
    struct packer *packer = packer_new(&to, buffers, NULL);

    assert_non_null(packer);
    return packer;
}

/* A frame of 4 MiB. */
static int add(struct packer *packer, struct err *err)
{
    static uint8_t data[FRAME_BLOCKS * LIMITS_BLOCK];
    struct id ids[FRAME_BLOCKS] = {0};
    const struct pack_index_added frame = {sizeof(data), sizeof(data), CODEC_LZMA, FRAME_BLOCKS,
                                           ids};

    return packer_add(packer, data, &frame, err);
}

static void test_full_packs_are_put_in_turn(void **state)
{
    struct target target = TARGET_INIT;
    CLEANUP(packer_freep) struct packer *packer = make_packer(&target, 2);
    uint32_t count = 0;

    (void)state;
    for (unsigned i = 0; i < 3 * PACK_FRAMES + 1; i++)
        assert_int_equal(add(packer, NULL), 0);
    assert_int_equal(packer_finish(packer, NULL), 0);
    const struct packer_pack *packs = packer_packs(packer, &count);
    assert_int_equal(count, 4);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(packs[i].id.number, i); /* one thread */
        assert_int_equal(packs[i].first_block, i * PACK_FRAMES * FRAME_BLOCKS);
        assert_int_equal(packs[i].digest.block_count, (i < 3 ? PACK_FRAMES : 1) * FRAME_BLOCKS);
    }
}

static void test_without_frames_there_are_no_packs(void **state)
{
    struct target target = TARGET_INIT;
    CLEANUP(packer_freep) struct packer *packer = make_packer(&target, PACKER_BUFFERS);
    uint32_t count = 7;

    (void)state;
    assert_int_equal(packer_tick(packer, NULL), 0);
    assert_int_equal(packer_finish(packer, NULL), 0);
    packer_packs(packer, &count);
    assert_int_equal(count, 0);
    assert_int_equal(target.numbers, 0);
}

/* While three packs wait for the store, the fourth is filled; no fifth is begun. */
struct filling {
    struct packer *packer;
    _Atomic unsigned added;
};

static void *fill(void *opaque)
{
    struct filling *filling = opaque;

    while (filling->added < 7 * PACK_FRAMES) {
        if (add(filling->packer, NULL) < 0)
            return filling;
        filling->added++;
    }
    return NULL;
}

static void test_packs_are_filled_while_others_are_written(void **state)
{
    struct target target = TARGET_INIT;
    CLEANUP(packer_freep) struct packer *packer = make_packer(&target, PACKER_BUFFERS);
    struct filling filling = {.packer = packer};
    struct timespec moment = {.tv_nsec = 50000000};
    pthread_t thread;
    void *failed = NULL;
    uint32_t count = 0;

    (void)state;
    open_target(&target, false);
    assert_int_equal(pthread_create(&thread, NULL, fill, &filling), 0);
    pthread_mutex_lock(&target.mutex);
    while (target.waiting < PACKER_BUFFERS - 1)
        pthread_cond_wait(&target.changed, &target.mutex);
    pthread_mutex_unlock(&target.mutex);
    while (filling.added < PACKER_BUFFERS * PACK_FRAMES)
        nanosleep(&moment, NULL);
    nanosleep(&moment, NULL);
    assert_int_equal(filling.added, PACKER_BUFFERS * PACK_FRAMES);
    open_target(&target, true);
    pthread_join(thread, &failed);
    assert_null(failed);
    assert_int_equal(packer_finish(packer, NULL), 0);
    packer_packs(packer, &count);
    assert_int_equal(count, 7);
}

static void test_a_pack_that_cannot_be_put_fails_what_comes_next(void **state)
{
    struct target target = TARGET_INIT;
    CLEANUP(packer_freep) struct packer *packer = make_packer(&target, PACKER_BUFFERS);
    CLEANUP_ERR struct err err = ERR_INIT;
    unsigned added = 0;

    (void)state;
    target.fail_from = 2;
    while (added < 20 * PACK_FRAMES && add(packer, &err) == 0)
        added++;
    assert_in_range(added, 3 * PACK_FRAMES, (3 + PACKER_BUFFERS) * PACK_FRAMES);
    assert_int_equal(err.kind, ERR_NO_SPACE);
    assert_string_equal(err.text, "the disk is full");
    err_clear(&err);
    assert_int_equal(packer_finish(packer, &err), -1);
}

/* The last pack is written when nothing more comes. */
static void test_the_last_pack_can_fail_too(void **state)
{
    struct target target = TARGET_INIT;
    CLEANUP(packer_freep) struct packer *packer = make_packer(&target, 1);
    CLEANUP_ERR struct err err = ERR_INIT;

    (void)state;
    target.fail_from = 0;
    assert_int_equal(add(packer, &err), 0);
    assert_int_equal(packer_finish(packer, &err), -1);
    assert_int_equal(err.kind, ERR_NO_SPACE);
}

static void test_a_pack_that_is_due_is_put(void **state)
{
    struct target target = TARGET_INIT;
    CLEANUP(packer_freep) struct packer *packer = make_packer(&target, 2);
    uint32_t count = 0;

    (void)state;
    assert_int_equal(packer_tick(packer, NULL), 0);
    target.due = true;
    open_target(&target, false);
    assert_int_equal(packer_tick(packer, NULL), 0); /* an empty one */
    assert_int_equal(packer_tick(packer, NULL), 0); /* it is on its way */
    open_target(&target, true);
    while (target.due)
        sched_yield();
    assert_int_equal(packer_tick(packer, NULL), 0);
    assert_int_equal(add(packer, NULL), 0);
    target.due = true;
    assert_int_equal(packer_tick(packer, NULL), 0);
    while (target.due)
        sched_yield();
    assert_int_equal(add(packer, NULL), 0);
    assert_int_equal(packer_finish(packer, NULL), 0);
    const struct packer_pack *packs = packer_packs(packer, &count);
    assert_int_equal(count, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(packs[i].digest.block_count, i > 0 ? FRAME_BLOCKS : 0);
    assert_int_equal(packs[1].first_block, 0);
    assert_int_equal(packs[2].first_block, FRAME_BLOCKS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_packs_are_put_in_turn),
        cmocka_unit_test(test_without_frames_there_are_no_packs),
        cmocka_unit_test(test_packs_are_filled_while_others_are_written),
        cmocka_unit_test(test_a_pack_that_cannot_be_put_fails_what_comes_next),
        cmocka_unit_test(test_the_last_pack_can_fail_too),
        cmocka_unit_test(test_a_pack_that_is_due_is_put),
    };

    return cmocka_run_group_tests_name("repository packer", tests, NULL, NULL);
}
