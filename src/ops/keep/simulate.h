/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What backups take in a repository over the years, if some of them are kept: an estimate, from how
 * large the first one is and how much changes between one and the next.
 *
 * Changes are taken to be spread evenly. The blocks of a session then go out of use all at the same
 * rate, so a session's packs are one lump with the share that is in use, which the next sessions
 * refresh as a real one does: when less than 35 percent of it is used, the oldest first, up to a fifth of
 * what the session stores anyhow, or 16 MiB. A lump is stored as long as a point that uses it is
 * kept. Real guests change the same places again and again, and need a little less.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct simulate_lump {
    double size;     /* bytes */
    double used;     /* bytes that the newest point uses */
    size_t session;  /* that made it */
    size_t users_to; /* the last one that uses it; SIZE_MAX: all after it */
};

struct simulate_store {
    double full;                 /* bytes of the first backup */
    double change;               /* share of it that differs from one backup to the next, 0 to 1 */
    struct simulate_lump *lumps; /* owned */
    size_t count;
    size_t sessions; /* so far */
    double written;  /* bytes by all of them */
};

/* One more backup. */
void simulate_backup(struct simulate_store *store);
/* Bytes of what the points of these sessions use; what none of them uses is collected. */
uint64_t simulate_stored(const struct simulate_store *store, const size_t *kept, size_t count);
void simulate_clear(struct simulate_store *store);
#define CLEANUP_SIMULATE CLEANUP(simulate_clear)
