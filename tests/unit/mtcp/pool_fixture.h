/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the tests of the pool share: one spawner for all tests of a program, pools
 * with children of our own, runs that must go well or must not.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "harness.h"

static struct spawner *spawner;

static inline int start_spawner(void **state)
{
    (void)state;
    spawner = spawner_start(NULL, NULL);
    return spawner ? 0 : -1;
}

static inline int end_spawner(void **state)
{
    (void)state;
    spawner_free(spawner);
    return 0;
}

static inline struct pool *new_pool(const struct image *image, const char *codec, bool decode,
                                    unsigned children)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct child_settings settings = image_settings(image, codec, decode);
    struct pool *pool = pool_new(spawner, &settings, children, &err);

    if (!pool)
        fail_msg("%s", err.text);
    return pool;
}

static inline struct pool_stats run(struct image *image, struct pool *pool)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct pool_stats stats;

    if (image_run(image, pool, &stats, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(stats.chunks, image_chunks(image));
    assert_int_equal(image->puts, image_chunks(image));
    assert_true(image->looks <= image_chunks(image));
    assert_true(image->looks_in_order);
    if (image->ordered)
        assert_true(image->puts_in_order);
    return stats;
}

static inline void expect_failure(struct image *image, struct pool *pool, enum err_kind kind,
                                  const char *text)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct pool_stats stats;

    assert_int_equal(image_run(image, pool, &stats, &err), -1);
    if (!strstr(err.text, text))
        fail_msg("'%s' is expected in: %s", text, err.text);
    assert_int_equal(err.kind, kind);
    /* it is good for nothing more, and says so */
    CLEANUP_ERR struct err again = ERR_INIT;
    assert_int_equal(image_run(image, pool, &stats, &again), -1);
    assert_int_equal(again.kind, ERR_INTERNAL);
}
