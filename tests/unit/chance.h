/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Random numbers of tests, the same ones for the same seed.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* From $TEST_SEED, else another one in each run. Printed, but not to standard output, where TAP has
 * its plan before all else. */
static inline uint64_t chance_seed(void)
{
    const char *given = getenv("TEST_SEED");
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seed =
        given ? strtoull(given, NULL, 10) : (uint64_t)now.tv_sec * 1000003 + (uint64_t)now.tv_nsec;
    fprintf(stderr, "# TEST_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

/* splitmix64: short, and good enough for test data. */
static inline uint64_t chance_next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0 to limit - 1 */
static inline uint64_t chance_below(uint64_t *state, uint64_t limit)
{
    return chance_next(state) % limit;
}
