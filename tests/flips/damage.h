/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Damage to an archive, and what verify and restore say to it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sample.h"

struct spawner;

struct counts {
    uint64_t tried;
    uint64_t silent;   /* verify had nothing to say */
    uint64_t restores; /* of them, tried too */
    uint64_t wrong;    /* restore ended well with other bytes */
};

struct damage {
    struct spawner *spawner;
    const char *folder; /* for what is restored */
    uint64_t seed;
    double share;  /* of the cases that are tried; 1: all */
    unsigned part; /* of `parts` processes that share the work */
    unsigned parts;
    uint64_t number; /* of the case: the same in each of the processes */
    unsigned shown;  /* silent ones that were named */
    struct counts flips;
    struct counts structure; /* truncated, swapped, removed, mixed */
};

/* True if the next case is to be tried by this process. */
bool damage_next(struct damage *damage);
/* verify_run in this process; guest: that one, NULL: all of the archive. */
bool damage_is_found(const struct damage *damage, const char *path, const char *guest);
/* Counts one case, which `what` and `at` name. */
void damage_check(struct damage *damage, struct counts *counts, const struct sample *sample,
                  const char *guest, const char *what, uint64_t at);
/* Restores the first disk, or the memory; counts it as wrong if that goes well and the
 * bytes are not those that were backed up. */
void damage_restore(struct damage *damage, struct counts *counts, const struct sample *sample);
