/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/point_maps.h"

#include "base/units.h"

void point_packs_clear(struct point_packs *packs)
{
    packs_clear(&packs->packs);
    free(packs->digests);
    free(packs->places);
    free(packs->own_first);
    free((uint32_t *)packs->map_packs.block_counts);
    *packs = (struct point_packs){0};
}

/* ---- walking a map --------------------------------------------------------------------------- */

/* A part of a run that is in one pack: run.pack is an index of `places`. */
struct part_walk {
    const struct point_packs *packs;
    struct map_reader reader;
    struct map_run left; /* of the run that was read; pack and first as in the map */
};

static int begin_walk(const struct point_map *map, const struct point_packs *packs,
                      struct part_walk *ret, struct err *err)
{
    *ret = (struct part_walk){.packs = packs};
    return map_reader_begin(&ret->reader, map->bytes.data, map->bytes.len, &packs->map_packs, err);
}

/* The own pack that has this block of the session. Empty ones begin where the next one does. */
static uint32_t find_own_pack(const struct point_packs *packs, uint64_t block)
{
    uint32_t low = 0;
    uint32_t high = packs->own_count;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (packs->own_first[middle] <= block)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Takes what is in one pack off the run. */
static struct map_run take_part(struct part_walk *walk)
{
    const struct point_packs *packs = walk->packs;
    struct map_run part = walk->left;

    if (part.pack >= packs->known_count) {
        uint64_t block = (uint64_t)(part.pack - packs->known_count) * KNOWN_OWN_BLOCKS + part.first;
        uint32_t own = find_own_pack(packs, block);
        uint64_t room = packs->own_first[own + 1] - block;
        part.pack = packs->known_count + own;
        part.first = (uint32_t)(block - packs->own_first[own]);
        if (part.count > room)
            part.count = room;
    }
    walk->left.block += part.count;
    walk->left.first += (uint32_t)part.count;
    walk->left.count -= part.count;
    return part;
}

/* As map_reader_next. */
static int next_part(struct part_walk *walk, struct map_run *ret, struct err *err)
{
    if (walk->left.count == 0) {
        int more = map_reader_next(&walk->reader, &walk->left, err);
        if (more <= 0)
            return more;
    }
    *ret = take_part(walk);
    return 1;
}

void point_maps_cut(const struct buf *map, const struct point_maps_stored *stored, struct buf *ret)
{
    /* The map is right, so how long its packs are does not matter. */
    const uint32_t all =
        stored->known_packs + (uint32_t)units_div_up(stored->mapped, KNOWN_OWN_BLOCKS);
    CLEANUP_FREE uint32_t *counts = mem_array((size_t)all + 1, sizeof(*counts));
    const struct map_packs packs = {counts, all};
    CLEANUP_MAP_WRITER struct map_writer writer = {0};
    struct map_reader reader;
    struct map_run run;
    struct buf cut;

    for (uint32_t i = 0; i < all; i++)
        counts[i] = KNOWN_OWN_BLOCKS;
    if (map_reader_begin(&reader, map->data, map->len, &packs, NULL) < 0)
        return;
    map_writer_begin(&writer, reader.size);
    while (map_reader_next(&reader, &run, NULL) > 0) {
        if (run.pack >= stored->known_packs) {
            uint64_t first =
                (uint64_t)(run.pack - stored->known_packs) * KNOWN_OWN_BLOCKS + run.first;
            uint64_t there = first < stored->own ? stored->own - first : 0;
            if (run.count > there)
                run.count = there;
        }
        if (run.count > 0)
            map_writer_add(&writer, &run);
    }
    map_writer_finish(&writer, &cut);
    buf_append(ret, cut.data, cut.len);
    buf_clear(&cut);
}

/* ---- packs ----------------------------------------------------------------------------------- */

struct used_pack {
    struct pack_id id;
    const struct pack_digest *digest;
    uint32_t number; /* in places */
};

static int compare_used_packs(const void *a, const void *b)
{
    const struct used_pack *x = a;
    const struct used_pack *y = b;
    int order = id_compare(&x->id.session, &y->id.session);

    return order ? order : x->id.number < y->id.number ? -1 : x->id.number > y->id.number;
}

/* So that the maps can be read, and own blocks be found in packs. */
static void count_blocks(const struct point_maps *maps, const struct packer_pack *own,
                         struct point_packs *packs)
{
    uint64_t own_blocks = 0;

    packs->own_first = mem_array((size_t)packs->own_count + 1, sizeof(*packs->own_first));
    for (uint32_t i = 0; i < packs->own_count; i++) {
        packs->own_first[i] = own[i].first_block;
        own_blocks += own[i].digest.block_count;
    }
    packs->own_first[packs->own_count] = own_blocks;

    uint64_t own_numbers = units_div_up(own_blocks, KNOWN_OWN_BLOCKS);
    uint32_t count = packs->known_count + (uint32_t)own_numbers;
    uint32_t *counts = mem_array((size_t)count + 1, sizeof(*counts));
    for (uint32_t i = 0; i < count; i++)
        counts[i] =
            i < packs->known_count ? maps->known->names[i].digest.block_count : KNOWN_OWN_BLOCKS;
    packs->map_packs = (struct map_packs){counts, count};
}

/* Tells the packs that are used from the others: the place of one that is used is not right yet. */
static int mark_used(const struct point_maps *maps, struct point_packs *packs, struct err *err)
{
    size_t count = (size_t)packs->known_count + packs->own_count;

    packs->places = mem_array(count + 1, sizeof(*packs->places));
    for (size_t i = 0; i < count; i++)
        packs->places[i] = POINT_PACK_UNUSED;
    for (size_t i = 0; i < maps->count; i++) {
        struct part_walk walk;
        struct map_run part;
        int more;
        if (begin_walk(&maps->maps[i], packs, &walk, err) < 0)
            return -1;
        while ((more = next_part(&walk, &part, err)) > 0)
            packs->places[part.pack] = 0;
        if (more < 0)
            return -1;
    }
    return 0;
}

/* In the order of the point. */
static struct used_pack *list_used(const struct point_maps *maps, const struct packer_pack *own,
                                   struct point_packs *packs, uint32_t *ret_count)
{
    uint32_t all = packs->known_count + packs->own_count;
    struct used_pack *used = mem_array((size_t)all + 1, sizeof(*used));
    uint32_t count = 0;

    for (uint32_t i = 0; i < all; i++) {
        if (packs->places[i] == POINT_PACK_UNUSED)
            continue;
        struct used_pack *pack = &used[count++];
        pack->number = i;
        if (i < packs->known_count) {
            pack->id = maps->known->names[i].id;
            pack->digest = &maps->known->names[i].digest;
            continue;
        }
        pack->id = own[i - packs->known_count].id;
        pack->digest = &own[i - packs->known_count].digest;
        packs->own_bytes += pack->digest->size;
    }
    qsort(used, count, sizeof(*used), compare_used_packs);
    *ret_count = count;
    return used;
}

int point_maps_packs(const struct point_maps *maps, struct point_packs *ret, struct err *err)
{
    CLEANUP_POINT_PACKS struct point_packs packs = {.known_count = maps->known->count};
    const struct packer_pack *own = packer_packs(maps->packer, &packs.own_count);
    uint32_t count = 0;

    count_blocks(maps, own, &packs);
    if (mark_used(maps, &packs, err) < 0)
        return -1;
    CLEANUP_FREE struct used_pack *used = list_used(maps, own, &packs, &count);
    packs.digests = mem_array((size_t)count + 1, sizeof(*packs.digests));
    for (uint32_t i = 0; i < count; i++) {
        if (packs_add(&packs.packs, &used[i].id.session, used[i].id.number, err) < 0)
            return -1;
        packs.digests[i] = *used[i].digest;
        packs.places[used[i].number] = i;
    }
    *ret = packs;
    packs = (struct point_packs){0};
    return 0;
}

/* ---- maps ------------------------------------------------------------------------------------ */

int point_maps_write(const struct point_map *map, const struct point_packs *packs, struct buf *ret,
                     struct err *err)
{
    CLEANUP_MAP_WRITER struct map_writer writer;
    struct part_walk walk;
    struct map_run part;
    int more;

    map_writer_begin(&writer, map->size);
    if (begin_walk(map, packs, &walk, err) < 0)
        return -1;
    while ((more = next_part(&walk, &part, err)) > 0) {
        part.pack = packs->places[part.pack];
        map_writer_add(&writer, &part);
    }
    if (more < 0)
        return -1;
    map_writer_finish(&writer, ret);
    return 0;
}
