/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/keep/simulate.h"

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/units.h"

/* As the writer of a point has them. */
#define REFRESH_BELOW 0.35
#define REFRESH_LEAST ((double)(16 * MIB))
#define REFRESH_SHARE 0.2

static void add_lump(struct simulate_store *store, struct simulate_lump lump)
{
    /* The room is the next power of two. */
    if ((store->count & (store->count - 1)) == 0)
        store->lumps =
            mem_resize(store->lumps, store->count ? 2 * store->count : 1, sizeof(*store->lumps));
    store->lumps[store->count++] = lump;
}

static bool is_used(const struct simulate_lump *lump)
{
    return lump->users_to == SIZE_MAX;
}

/* Stores again what is still used of a lump, as far as `room` goes. Returns how much that is. */
static double refresh_lump(struct simulate_store *store, struct simulate_lump *lump, size_t session,
                           double room)
{
    double used = lump->used;

    if (used > room) { /* a part of the lump, as many of its packs as fit */
        struct simulate_lump rest = *lump;
        rest.size *= 1 - room / used;
        rest.used = used - room;
        lump->size -= rest.size;
        lump->users_to = session - 1;
        add_lump(store, rest);
        return room;
    }
    lump->users_to = session - 1;
    return used;
}

static double refresh_lumps(struct simulate_store *store, size_t session, double room)
{
    size_t count = store->count;
    double stored = 0;

    for (size_t i = 0; i < count; i++) {
        struct simulate_lump *lump = &store->lumps[i];
        if (!is_used(lump))
            continue;
        lump->used *= 1 - store->change;
        if (stored < room && lump->used < lump->size * REFRESH_BELOW)
            stored += refresh_lump(store, lump, session, room - stored);
    }
    return stored;
}

void simulate_backup(struct simulate_store *store)
{
    size_t session = store->sessions++;
    double size = store->full;

    if (session > 0) {
        size *= store->change;
        double share = size * REFRESH_SHARE;
        size += refresh_lumps(store, session, share > REFRESH_LEAST ? share : REFRESH_LEAST);
    }
    add_lump(store, (struct simulate_lump){size, size, session, SIZE_MAX});
    store->written += size;
}

uint64_t simulate_stored(const struct simulate_store *store, const size_t *kept, size_t count)
{
    double stored = 0;

    for (size_t i = 0; i < store->count; i++) {
        const struct simulate_lump *lump = &store->lumps[i];
        bool used = false;
        for (size_t k = 0; k < count && !used; k++)
            used = kept[k] >= lump->session && kept[k] <= lump->users_to;
        if (used)
            stored += lump->size;
    }
    return (uint64_t)stored;
}

void simulate_clear(struct simulate_store *store)
{
    free(store->lumps);
    *store = (struct simulate_store){0};
}
