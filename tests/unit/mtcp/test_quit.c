/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Signals in the middle of a run. The flag they set stays set, so that each test
 * runs in a process of its own, judged by its exit status.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "pids.h"
#include "base/quit.h"
#include "harness.h"
#include "mtcp/pool_private.h"

#define PEER TEST_PEER_DIR "/mtcp_child.py"

struct scene {
    unsigned children;
    bool ordered;
    const char *pattern;
    uint64_t chunks;
    const char *command; /* foreign children */
    const char *codec;
    void (*on_read)(struct image *image, uint64_t id);
    void (*on_put)(struct image *image, uint64_t id);
};

static bool check(bool good, const char *what)
{
    if (!good)
        fprintf(stderr, "# not so: %s\n", what);
    return good;
}

/* 0 if the run is cancelled, the pool can be freed, and no child is left. */
static int play(void *opaque)
{
    const struct scene *scene = opaque;
    struct image image;
    struct err err = ERR_INIT;
    pid_t pids[4];

    if (quit_install(NULL) < 0)
        return 1;
    image_init(&image, scene->pattern, scene->chunks, 0);
    image.keep = false;
    image.ordered = scene->ordered;
    image.on_read = scene->on_read;
    image.on_put = scene->on_put;
    struct child_settings settings = image_settings(&image, scene->codec, false);
    settings.foreign = scene->command != NULL;
    struct spawner *spawner = spawner_start(scene->command, NULL);
    struct pool *pool = pool_new(spawner, &settings, scene->children, NULL);
    if (!check(pool != NULL, "a pool"))
        return 1;
    image.opaque = pool;
    size_t count = pool_pids(pool, pids, 4);
    bool good = check(image_run(&image, pool, NULL, &err) < 0, "the run ends");
    good = good && check(err.kind == ERR_CANCELLED, "it is cancelled");
    if (good)
        good = check(strcmp(err.text, "stopped by SIGTERM") == 0, err.text);
    pool_free(pool);
    for (size_t i = 0; i < count; i++)
        good = check(kill(pids[i], 0) < 0, "its children have ended") && good;
    spawner_free(spawner);
    err_clear(&err);
    return good ? 0 : 1;
}

static void raise_at_10(struct image *image, uint64_t id)
{
    (void)image;
    if (id == 10)
        raise(SIGTERM);
}

static void raise_at_10_and_read_no_more_than_a_turn(struct image *image, uint64_t id)
{
    raise_at_10(image, id);
    if (id > 10 + POOL_ZERO_BATCH_BYTES / image->chunk_size)
        _exit(3);
}

/* Puts come from a thread that gets no signals. */
static void signal_at_10(struct image *image, uint64_t id)
{
    (void)image;
    if (id != 10)
        return;
    kill(getpid(), SIGTERM);
    while (!quit_requested())
        usleep(1000);
}

static void test_a_signal_cancels_the_run_from_anywhere(void **state)
{
    struct scene scenes[] = {
        {.children = 1, .ordered = true, .pattern = "d", .chunks = 40, .on_read = raise_at_10},
        {.children = 3, .ordered = true, .pattern = "d", .chunks = 400, .on_put = signal_at_10},
        {.children = 3, .ordered = false, .pattern = "dz", .chunks = 400, .on_put = signal_at_10},
        /* zeros that have to be read: many, without a child in between */
        {.children = 1,
         .ordered = true,
         .pattern = "r",
         .chunks = 4000,
         .on_read = raise_at_10_and_read_no_more_than_a_turn},
        /* never ends by itself in time: looked at in between, though no child is needed */
        {.children = 1,
         .ordered = true,
         .pattern = "z",
         .chunks = UINT64_C(1) << 40,
         .on_put = signal_at_10},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
        scenes[i].codec = "none";
        assert_int_equal(run_apart(play, &scenes[i]), 0);
    }
}

/* From another process, while this one waits in poll. */
static void signal_soon(struct image *image, uint64_t id)
{
    pid_t pid = getpid();

    (void)image;
    if (id == 0 && fork() == 0) {
        usleep(100000);
        kill(pid, SIGTERM);
        _exit(0);
    }
}

static void test_children_that_never_answer_do_not_block_it(void **state)
{
    struct scene scene = {.children = 2,
                          .ordered = true,
                          .pattern = "d",
                          .chunks = 10,
                          .command = PEER,
                          .codec = "none",
                          .on_read = signal_soon};

    (void)state;
    setenv("VB_CHILD_FAULT", "hang-at:0", 1);
    assert_int_equal(run_apart(play, &scene), 0);
    unsetenv("VB_CHILD_FAULT");
}

static void stop_and_signal(struct image *image, uint64_t id)
{
    pid_t pids[4];
    size_t count = pool_pids(image->opaque, pids, 4);

    /* a child that is stopped stands for one that works for a long time */
    for (size_t i = 0; id == 0 && i < count; i++)
        kill(pids[i], SIGSTOP);
    signal_soon(image, id);
}

static void test_children_that_work_for_long_do_not_block_it(void **state)
{
    struct scene scene = {.children = 2,
                          .ordered = true,
                          .pattern = "d",
                          .chunks = 10,
                          .codec = "none",
                          .on_read = stop_and_signal};

    (void)state;
    assert_int_equal(run_apart(play, &scene), 0);
}

/* As a service manager does it: everyone gets the signal, the children first. */
static void kill_again(struct image *image, uint64_t id)
{
    pid_t pids[4];
    size_t count = pool_pids(image->opaque, pids, 4);
    static bool told;

    if (id != 3)
        return;
    for (size_t i = 0; i < count; i++)
        kill(pids[i], SIGTERM);
    if (!told) {
        told = true;
        return;
    }
    /* the chunk fails for the second time now, and our own signal is still on its way */
    pid_t pid = getpid();
    if (fork() == 0) {
        usleep(30000);
        kill(pid, SIGTERM);
        _exit(0);
    }
}

static void test_children_killed_by_the_same_signal_are_not_the_reason(void **state)
{
    struct scene scene = {.children = 1,
                          .ordered = true,
                          .pattern = "d",
                          .chunks = 10,
                          .codec = "none",
                          .on_read = kill_again};

    (void)state;
    assert_int_equal(run_apart(play, &scene), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_signal_cancels_the_run_from_anywhere),
        cmocka_unit_test(test_children_that_never_answer_do_not_block_it),
        cmocka_unit_test(test_children_that_work_for_long_do_not_block_it),
        cmocka_unit_test(test_children_killed_by_the_same_signal_are_not_the_reason),
    };

    return cmocka_run_group_tests_name("mtcp quit", tests, NULL, NULL);
}
