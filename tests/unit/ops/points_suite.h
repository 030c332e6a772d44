/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What every implementation of ops/points/points.h must do, as tests.
 */
#pragma once

#include <stdbool.h>

#include "ops/points/points.h"

struct points_suite {
    const char *name;
    bool is_repository; /* else a later point of a guest takes the place of the earlier one */
    /* The place of a new, empty store, not made yet; the caller removes it with all that is in it. */
    char *(*make)(void);
    void (*remove)(char *place);
    /* True if a store at this place holds nothing that a writer has left. */
    bool (*is_clean)(const char *place);
    /* Of a store at rest: takes away what holds the item, or changes one byte of it, which a second
     * call puts back. */
    void (*lose)(const char *place, const struct manifest_stored *stored);
    void (*damage)(const char *place, const struct manifest_stored *stored, unsigned where);
};

/* Where to damage an item, of which one is in the store: the first byte that counts, one in the
 * middle, the last. */
#define SUITE_DAMAGES 3u

/* Runs all; returns the status of the program. */
int points_suite_run(const struct points_suite *suite);
