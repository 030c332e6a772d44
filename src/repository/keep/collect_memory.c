/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Under a limit, what a collection keeps in memory is counted before it begins: names are listed once
 * more, which costs time and no memory. So it is refused before it has changed anything, and can say
 * how much it takes. The figures are for the worst case, in which nothing that was found is needed.
 */
#include <inttypes.h>

#include "base/units.h"
#include "repository/format/limits.h"
#include "repository/keep/collection.h"

/* The process, and the reserve of the store, which is made in memory. */
#define PROCESS_SIZE (32 * MIB)
/* In the set, and once more in the state file, which is put together in memory. */
#define PACK_SIZE (sizeof(uint32_t) * 4)
#define SET_SESSION_SIZE (sizeof(struct pack_set_session) + ID_SIZE + 4)
#define STATE_PACK_SIZE 8u /* in the state file */
/* In four lists. */
#define SLOT_SIZE (4 * (sizeof(struct collection_slot) + 8))
/* Of the trash, holds, sessions, bad packs: with its name. */
#define SMALL_SIZE 256u
/* Of a folder that is listed: its name, three times. */
#define LISTED_SIZE 256u
/* The packs of a point, as read, as parsed, and for the cache. */
#define LISTS_OF_PACKS 3u

/* Packs may be added between the two listings. */
static uint64_t with_more(uint64_t packs)
{
    return packs + packs / 64 + 1024;
}

struct memory_look {
    uint64_t packs;
    uint64_t sessions; /* that have packs */
    uint64_t slots;
    uint64_t largest_slot; /* bytes */
    uint64_t small;
    uint64_t largest_folder; /* names */
    uint64_t state;          /* bytes of the state file */
    /* Of the last pack. */
    struct id session;
    uint64_t in_folder;
};

static int count_listed_pack(void *opaque, const struct name *name, const struct store_entry *entry,
                             struct err *err)
{
    struct memory_look *look = opaque;
    const struct id *last = &look->session;

    (void)entry;
    (void)err;
    if (look->packs == 0 || last->bytes[ID_SIZE - 1] != name->session.bytes[ID_SIZE - 1])
        look->in_folder = 0;
    look->sessions += look->packs == 0 || id_compare(last, &name->session) != 0;
    look->session = name->session;
    look->packs++;
    if (++look->in_folder > look->largest_folder)
        look->largest_folder = look->in_folder;
    return 0;
}

static int count_slot(void *opaque, const struct name *name, const struct store_entry *entry,
                      struct err *err)
{
    struct memory_look *look = opaque;

    (void)name;
    (void)err;
    look->slots++;
    if (entry->size > look->largest_slot)
        look->largest_slot = entry->size;
    return 0;
}

static int count_small(void *opaque, const struct name *name, const struct store_entry *entry,
                       struct err *err)
{
    struct memory_look *look = opaque;

    (void)name;
    (void)entry;
    (void)err;
    look->small++;
    return 0;
}

static uint64_t lesser_size(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* A list of packs is no longer than the slot that it is in, nor than one of all packs. */
static uint64_t list_size(const struct memory_look *look)
{
    uint64_t size = lesser_size(look->largest_slot, LIMITS_PACKS);
    uint64_t of_all = with_more(look->packs) * sizeof(uint32_t) + look->sessions * SET_SESSION_SIZE;

    return look->state ? size : lesser_size(size, of_all);
}

static int check_collection_memory(struct collection *work, const struct memory_look *look,
                                   struct err *err)
{
    uint64_t packs = with_more(look->packs);
    uint64_t needed = PROCESS_SIZE + packs * PACK_SIZE + packs / 8 +
                      look->sessions * SET_SESSION_SIZE + look->slots * SLOT_SIZE +
                      look->small * SMALL_SIZE + look->largest_folder * LISTED_SIZE +
                      LISTS_OF_PACKS * list_size(look) + look->state;
    uint64_t mib = (needed + MIB - 1) / MIB;

    if (needed <= work->settings->memory_limit)
        return 0;
    return err_set(err, ERR_UNSUPPORTED,
                   "to collect it takes up to %" PRIu64 " MiB of memory (names of packs: %" PRIu64
                   ", of points: %" PRIu64 "); give it that with --memory-limit %" PRIu64 "M",
                   mib, look->packs, look->slots, mib);
}

static int count_names(struct collection *work, bool packs, struct memory_look *look,
                       struct err *err)
{
    static const struct {
        const char *top;
        const char *below;
    } small[] = {{"t", NULL}, {"h", NULL}, {"s", NULL}, {"v", "bad"}};
    const struct objects_each pack = {count_listed_pack, look, .odd = OBJECTS_FILES};
    const struct objects_each slot = {count_slot, look, NULL};
    const struct objects_each other = {count_small, look, NULL};

    if (packs && objects_list(&work->scope, "d", NULL, &pack, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof(small) / sizeof(*small); i++)
        if (objects_list(&work->scope, small[i].top, small[i].below, &other, err) < 0)
            return -1;
    return objects_list(&work->scope, "p", NULL, &slot, err);
}

int collect_expect_look(struct collection *work, struct err *err)
{
    struct memory_look look = {0};

    if (work->settings->memory_limit == 0)
        return 0;
    if (count_names(work, true, &look, err) < 0 || check_collection_memory(work, &look, err) < 0)
        return -1;
    work->candidates.most = with_more(look.packs);
    return 0;
}

int collect_expect_state(struct collection *work, uint64_t size, struct err *err)
{
    struct memory_look look = {.state = size, .packs = size / STATE_PACK_SIZE};

    return work->settings->memory_limit == 0          ? 0
           : count_names(work, false, &look, err) < 0 ? -1
                                                      : check_collection_memory(work, &look, err);
}
