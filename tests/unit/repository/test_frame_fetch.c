/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/array.h"
#include "repository/frame_fetch.h"
#include "store/store_impl.h"

#define FRAMES_LEN ((uint32_t)30 << 20) /* of each pack */
#define PACKS 8u
#define GETS_MAX 64u

/* A store whose objects have no end; of each STEP bytes one tells where it is. Notes what is read. */
#define STEP 509u

struct endless_store {
    struct store store;
    pthread_mutex_t mutex;
    pthread_cond_t more; /* is read */
    pthread_cond_t go;
    bool held;         /* no answer is given for frames of HELD_LEN */
    unsigned released; /* but for these, the first */
    bool fails;
    bool ends;        /* after the first byte of what is asked for */
    unsigned at_hand; /* bit n: what is in pack n */
    bool far;
    unsigned count;
    struct {
        uint32_t pack;
        uint64_t offset;
        size_t len;
    } gets[GETS_MAX];
};

/* Frames that are held: two in each pack, so long that each has a request of its own. */
#define HELD_LEN ((uint32_t)10 << 20)
#define HELD_AT ((uint32_t)15 << 20)

static uint8_t endless_byte(uint32_t pack, uint64_t offset)
{
    return (uint8_t)(pack * 101 + offset * 7 + (offset >> 8));
}

static unsigned pack_of(const struct store_range *range)
{
    unsigned pack = 0;

    assert_int_equal(sscanf(strrchr(range->name, '-'), "-%x", &pack), 1);
    return pack;
}

static void put_bytes(const struct store_range *range, unsigned pack, size_t len)
{
    for (size_t i = STEP - range->offset % STEP; i < len; i += STEP)
        ((uint8_t *)range->data)[i] = endless_byte(pack, range->offset + i);
}

static int endless_get(struct store *store, const struct store_range *range, size_t *ret_len,
                       struct err *err)
{
    struct endless_store *endless = (struct endless_store *)store;
    const unsigned pack = pack_of(range);

    pthread_mutex_lock(&endless->mutex);
    unsigned number = endless->count++;
    if (number < GETS_MAX) {
        endless->gets[number].pack = pack;
        endless->gets[number].offset = range->offset;
        endless->gets[number].len = range->cap;
    }
    pthread_cond_signal(&endless->more);
    while (endless->held && pack * 2 + (range->offset > HELD_AT) >= endless->released)
        pthread_cond_wait(&endless->go, &endless->mutex);
    pthread_mutex_unlock(&endless->mutex);
    if (endless->fails)
        return err_set(err, ERR_IO, "a bad disk");
    *ret_len = endless->ends ? 1 : range->cap;
    put_bytes(range, pack, *ret_len);
    return 0;
}

static bool endless_get_at_hand(struct store *store, const struct store_range *range)
{
    struct endless_store *endless = (struct endless_store *)store;

    if (!(endless->at_hand >> pack_of(range) & 1))
        return false;
    put_bytes(range, pack_of(range), range->cap);
    return true;
}

static const char *endless_lagging(struct store *store)
{
    return ((struct endless_store *)store)->far ? "nfs" : NULL;
}

static const struct store_ops endless_ops = {
    .get = endless_get, .get_at_hand = endless_get_at_hand, .lagging = endless_lagging};

struct fetch_world {
    struct endless_store store;
    struct stored_scope scope;
    struct stored_point point;
    struct pack_digest digests[PACKS];
    struct frame_fetch *fetch;
};

static void begin_fetching_from(struct fetch_world *world, bool far)
{
    static char url[] = "endless";
    const struct id session = {{7}};

    *world = (struct fetch_world){.store = {.store = {&endless_ops, url}, .far = far}};
    pthread_mutex_init(&world->store.mutex, NULL);
    pthread_cond_init(&world->store.more, NULL);
    pthread_cond_init(&world->store.go, NULL);
    world->scope = (struct stored_scope){&world->store.store, {{1}}, "default"};
    for (uint32_t i = 0; i < PACKS; i++) {
        assert_int_equal(packs_add(&world->point.packs, &session, i, NULL), 0);
        world->digests[i].index_offset = PACK_HEAD_SIZE + FRAMES_LEN;
    }
    world->point.digests = world->digests;
    world->fetch = frame_fetch_new(&world->scope, &world->point);
}

static void begin_fetching(struct fetch_world *world)
{
    begin_fetching_from(world, false);
}

/* So many of the frames are answered. */
static void release(struct fetch_world *world, unsigned frames)
{
    pthread_mutex_lock(&world->store.mutex);
    world->store.released = frames;
    pthread_cond_broadcast(&world->store.go);
    pthread_mutex_unlock(&world->store.mutex);
}

static void end_fetching(struct fetch_world *world)
{
    release(world, UINT32_MAX);
    frame_fetch_free(world->fetch);
    packs_clear(&world->point.packs);
    pthread_mutex_destroy(&world->store.mutex);
    pthread_cond_destroy(&world->store.more);
    pthread_cond_destroy(&world->store.go);
}
#define CLEANUP_FETCH CLEANUP(end_fetching)

static struct fetched_frame wanted_frame(uint32_t pack, uint32_t offset, uint32_t len)
{
    return (struct fetched_frame){.pack = pack, .frame = {.offset = offset, .stored_len = len}};
}

static void wants_one_of_each_pack(struct fetch_world *world, struct fetched_frame frames[PACKS],
                                   uint32_t len)
{
    for (uint32_t i = 0; i < PACKS; i++)
        frames[i] = wanted_frame(i, 0, len);
    assert_int_equal(frame_fetch_want(world->fetch, frames, PACKS, NULL), 0);
}

static void takes(struct fetch_world *world, struct fetched_frame *frame)
{
    CLEANUP_FREE uint8_t *data = malloc(frame->frame.stored_len);
    CLEANUP_ERR struct err err = ERR_INIT;

    if (frame_fetch_take(world->fetch, frame, data, &err) < 0)
        fail_msg("%s", err.text);
    uint64_t start = (uint64_t)PACK_HEAD_SIZE + frame->frame.offset;
    for (uint64_t i = STEP - start % STEP; i < frame->frame.stored_len; i += STEP)
        if (data[i] != endless_byte(frame->pack, start + i))
            fail_msg("byte %u of a frame is wrong", (unsigned)i);
}

static bool was_read(const struct fetch_world *world, uint32_t pack, uint32_t offset, uint32_t len)
{
    for (unsigned i = 0; i < world->store.count; i++)
        if (world->store.gets[i].pack == pack &&
            world->store.gets[i].offset == (uint64_t)PACK_HEAD_SIZE + offset &&
            world->store.gets[i].len == len)
            return true;
    return false;
}

static void frames_near_each_other_come_together(void **state)
{
    CLEANUP_FETCH struct fetch_world world;
    const uint32_t gap = FRAME_FETCH_GAP;
    /* In pack 1: two that are less than a gap apart, and one that is a gap from them. */
    struct fetched_frame frames[] = {
        wanted_frame(1, 100 + 999 + gap - 1 + 999 + gap, 999),
        wanted_frame(0, 1000, 1000),
        wanted_frame(1, 100 + 999 + gap - 1, 999),
        wanted_frame(1, 100, 999),
        wanted_frame(0, 1000, 1000),
    };

    (void)state;
    begin_fetching(&world);
    assert_int_equal(frame_fetch_want(world.fetch, frames, ARRAY_COUNT(frames), NULL), 0);
    for (size_t i = 0; i < ARRAY_COUNT(frames); i++)
        takes(&world, &frames[i]);
    assert_int_equal(world.store.count, 3);
    assert_true(was_read(&world, 0, 1000, 1000));
    assert_true(was_read(&world, 1, 100, 999 + gap - 1 + 999));
    assert_true(was_read(&world, 1, 100 + 999 + gap - 1 + 999 + gap, 999));
    takes(&world, &frames[2]); /* again */
    assert_int_equal(world.store.count, 4);
}

/* At the end of a frame; only one that is longer comes as it is. */
static void requests_have_a_bound(void **state)
{
    CLEANUP_FETCH struct fetch_world world;
    const uint32_t most = FRAME_FETCH_MOST, half = most / 2;
    struct fetched_frame frames[] = {
        wanted_frame(0, 0, half),        wanted_frame(0, half, half),
        wanted_frame(0, most, half),     wanted_frame(0, most + half, half + 1),
        wanted_frame(1, 7, most + 1),    wanted_frame(1, 7 + most + 1, half + 1),
        wanted_frame(1, 7, most + 1),    wanted_frame(1, 7 + most + 1 + half + 1, 1),
        wanted_frame(0, half + 1, half),
    };
    const size_t count = ARRAY_COUNT(frames) - 1; /* the last is for later */

    (void)state;
    begin_fetching(&world);
    assert_int_equal(frame_fetch_want(world.fetch, frames, count, NULL), 0);
    for (size_t i = 0; i < count; i++)
        takes(&world, &frames[i]);
    assert_int_equal(world.store.count, 5);
    assert_true(was_read(&world, 0, 0, most));
    assert_true(was_read(&world, 0, most, half));
    assert_true(was_read(&world, 0, most + half, half + 1));
    assert_true(was_read(&world, 1, 7, most + 1));
    assert_true(was_read(&world, 1, 7 + most + 1, half + 2));
    /* in memory that had others */
    assert_int_equal(frame_fetch_want(world.fetch, &frames[count], 1, NULL), 0);
    takes(&world, &frames[count]);
}

/* Fails if they do not come within a minute. */
static void wait_for_gets(struct fetch_world *world, unsigned count)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    pthread_mutex_lock(&world->store.mutex);
    while (world->store.count < count)
        assert_int_equal(pthread_cond_timedwait(&world->store.more, &world->store.mutex, &until),
                         0);
    pthread_mutex_unlock(&world->store.mutex);
}

/* What is waited for is read first, though there is no room for it. */
static void what_is_waited_for_is_read(void **state)
{
    CLEANUP_FETCH struct fetch_world world;
    struct fetched_frame frames[PACKS];

    (void)state;
    begin_fetching(&world);
    wants_one_of_each_pack(&world, frames, FRAMES_LEN);
    takes(&world, &frames[0]);
    takes(&world, &frames[PACKS - 1]);
    assert_int_equal(world.store.count, 2);
    assert_int_equal(world.store.gets[0].pack, 0);
    assert_int_equal(world.store.gets[1].pack, PACKS - 1);
    for (uint32_t i = 1; i < PACKS - 1; i++)
        takes(&world, &frames[i]);
    assert_int_equal(world.store.count, PACKS);
}

struct release {
    struct fetch_world *world;
    unsigned frame;
    unsigned gets;
};

/* Releases a frame that is waited for when so many have been asked for. */
static void *release_when_asked(void *opaque)
{
    const struct release *release_at = opaque;

    wait_for_gets(release_at->world, release_at->gets);
    release(release_at->world, release_at->frame + 1);
    return NULL;
}

/* The further ahead it is read, the more often bytes were not there in time; but with a limit. */
static void a_store_that_answers_late_is_asked_for_more(void **state)
{
    /* How many are asked for while a frame is waited for: itself, and for how many there is room. */
    const unsigned room[] = {1, 1, 3, 6, 6, 6};
    CLEANUP_FETCH struct fetch_world world;
    struct fetched_frame frames[PACKS * 2];
    const unsigned takings = ARRAY_COUNT(room);

    (void)state;
    assert_int_equal(FRAME_FETCH_AHEAD_FIRST, 8 << 20);
    assert_int_equal(FRAME_FETCH_AHEAD, 64 << 20);
    begin_fetching(&world);
    world.store.held = true;
    for (uint32_t i = 0; i < PACKS * 2; i++)
        frames[i] = wanted_frame(i / 2, i % 2 * HELD_AT, HELD_LEN);
    assert_int_equal(frame_fetch_want(world.fetch, frames, PACKS * 2, NULL), 0);
    for (unsigned i = 0; i < takings; i++) {
        struct release release_at = {&world, i, i + room[i]};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, release_when_asked, &release_at), 0);
        takes(&world, &frames[i]);
        pthread_join(thread, NULL);
    }
    wait_for_gets(&world, takings + room[takings - 1]);
    pthread_mutex_lock(&world.store.mutex);
    unsigned count = world.store.count;
    pthread_mutex_unlock(&world.store.mutex);
    assert_int_equal(count, takings + room[takings - 1]);
}

static void each_frame_of_a_request_that_fails_is_told(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        CLEANUP_FETCH struct fetch_world world;
        struct fetched_frame frames[] = {wanted_frame(0, 0, 10), wanted_frame(0, 10, 10)};
        uint8_t data[10];
        begin_fetching(&world);
        world.store.fails = i == 0;
        world.store.ends = i == 1;
        assert_int_equal(frame_fetch_want(world.fetch, frames, 2, NULL), 0);
        for (unsigned j = 0; j < 2; j++) {
            CLEANUP_ERR struct err err = ERR_INIT;
            assert_int_equal(frame_fetch_take(world.fetch, &frames[j], data, &err), -1);
            assert_int_equal(err.kind, i == 0 ? ERR_IO : ERR_CORRUPT);
            assert_non_null(strstr(err.text, "d/default/00/0700"));
        }
    }
}

static void what_is_at_hand_is_not_asked_for(void **state)
{
    CLEANUP_FETCH struct fetch_world world;
    struct fetched_frame frames[8];

    (void)state;
    begin_fetching(&world);
    world.store.at_hand = 1;
    for (uint32_t i = 0; i < ARRAY_COUNT(frames); i++)
        frames[i] = wanted_frame(i / 4, i * 1000, 1000);
    assert_int_equal(frame_fetch_want(world.fetch, frames, ARRAY_COUNT(frames), NULL), 0);
    for (uint32_t i = 0; i < 4; i++)
        takes(&world, &frames[i]);
    assert_int_equal(world.store.count, 0);
    for (uint32_t i = 4; i < 8; i++)
        takes(&world, &frames[i]);
    assert_int_equal(world.store.count, 1);
    assert_true(was_read(&world, 1, 4000, 4000));
}

static void one_that_is_not_at_hand_is_no_reason_to_read_ahead(void **state)
{
    CLEANUP_FETCH struct fetch_world world;
    struct fetched_frame frames[PACKS];

    (void)state;
    begin_fetching(&world);
    world.store.at_hand = ~2u;
    wants_one_of_each_pack(&world, frames, 1 << 20);
    for (uint32_t i = 0; i < PACKS; i++)
        takes(&world, &frames[i]);
    assert_int_equal(world.store.count, 1);
    assert_true(was_read(&world, 1, 0, 1 << 20));
}

static void two_that_are_not_at_hand_are(void **state)
{
    CLEANUP_FETCH struct fetch_world world;
    struct fetched_frame frames[PACKS];

    (void)state;
    begin_fetching(&world);
    wants_one_of_each_pack(&world, frames, 10);
    takes(&world, &frames[0]);
    takes(&world, &frames[1]);
    wait_for_gets(&world, PACKS);
    for (uint32_t i = 2; i < PACKS; i++)
        takes(&world, &frames[i]);
    assert_int_equal(world.store.count, PACKS);
}

static void what_is_far_is_not_at_hand(void **state)
{
    CLEANUP_FETCH struct fetch_world world;
    struct fetched_frame frames[PACKS];

    (void)state;
    begin_fetching_from(&world, true);
    world.store.at_hand = UINT_MAX;
    wants_one_of_each_pack(&world, frames, 10);
    wait_for_gets(&world, PACKS);
    for (uint32_t i = 0; i < PACKS; i++)
        takes(&world, &frames[i]);
    assert_int_equal(world.store.count, PACKS);
}

/* Whoever gives up does not wait for what is only asked for. */
static void what_was_not_taken_is_freed(void **state)
{
    CLEANUP_FETCH struct fetch_world world;
    struct fetched_frame frames[PACKS];

    (void)state;
    begin_fetching(&world);
    wants_one_of_each_pack(&world, frames, 10);
    takes(&world, &frames[3]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_near_each_other_come_together),
        cmocka_unit_test(requests_have_a_bound),
        cmocka_unit_test(what_is_waited_for_is_read),
        cmocka_unit_test(a_store_that_answers_late_is_asked_for_more),
        cmocka_unit_test(each_frame_of_a_request_that_fails_is_told),
        cmocka_unit_test(what_is_at_hand_is_not_asked_for),
        cmocka_unit_test(one_that_is_not_at_hand_is_no_reason_to_read_ahead),
        cmocka_unit_test(two_that_are_not_at_hand_are),
        cmocka_unit_test(what_is_far_is_not_at_hand),
        cmocka_unit_test(what_was_not_taken_is_freed),
    };

    return cmocka_run_group_tests_name("repository frame_fetch", tests, NULL, NULL);
}
