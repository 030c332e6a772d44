/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/refresh.h"

struct little_used {
    uint32_t place;
    uint64_t bytes; /* of the frames, those in use */
};

/* The emptiest first. */
static int compare_little_used(const void *a, const void *b)
{
    const struct little_used *x = a;
    const struct little_used *y = b;

    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

/* Of the run's blocks, those that no run before it has had; seen: a bit for each block of the pack. */
static uint32_t count_unseen(uint8_t *seen, const struct map_run *run)
{
    uint32_t count = 0;

    for (uint64_t i = run->first; i < run->first + run->count; i++) {
        count += !(seen[i / 8] & 1u << i % 8);
        seen[i / 8] |= (uint8_t)(1u << i % 8);
    }
    return count;
}

/* How many blocks of each pack are used, in an array that the caller frees. A block may be in several
 * places of an image, and counts once. */
static uint64_t *count_used(const struct stored_point *base)
{
    uint64_t *used = mem_array(base->packs.count + 1, sizeof(*used));
    uint8_t **seen = mem_array(base->packs.count + 1, sizeof(*seen));
    struct map_reader reader;
    struct map_run run;

    for (uint32_t i = 0; i < base->image_count; i++) {
        stored_point_walk(base, &base->images[i], &reader);
        while (map_reader_next(&reader, &run, NULL) > 0) {
            if (!seen[run.pack])
                seen[run.pack] = mem_alloc(base->digests[run.pack].block_count / 8 + 1);
            used[run.pack] += count_unseen(seen[run.pack], &run);
        }
    }
    for (uint32_t i = 0; i < base->packs.count; i++)
        free(seen[i]);
    free(seen);
    return used;
}

static uint64_t bytes_used(const struct pack_digest *digest, uint64_t used)
{
    uint64_t frames = digest->index_offset - PACK_HEAD_SIZE;

    return digest->block_count ? frames * used / digest->block_count : 0;
}

static void choose_little_used(const struct stored_point *base, const uint64_t *used,
                               struct little_used *packs, bool *ret)
{
    uint64_t room = base->info.stored / REFRESH_STORED_DIVISOR;
    size_t count = 0;

    if (room < REFRESH_BYTES_MIN)
        room = REFRESH_BYTES_MIN;
    for (uint32_t i = 0; i < base->packs.count; i++) {
        const struct pack_digest *digest = &base->digests[i];
        if (used[i] * 100 < (uint64_t)digest->block_count * REFRESH_USED_PERCENT)
            packs[count++] = (struct little_used){i, bytes_used(digest, used[i])};
    }
    qsort(packs, count, sizeof(*packs), compare_little_used);
    for (size_t i = 0; i < count && packs[i].bytes <= room; i++) {
        room -= packs[i].bytes;
        ret[packs[i].place] = true;
    }
}

/* Without those that are left anyway. What they have makes one pack. */
static void choose_small(const struct stored_point *base, const uint64_t *used,
                         struct little_used *packs, bool *ret)
{
    uint64_t room = LIMITS_PACK_BODY;
    size_t count = 0;

    for (uint32_t i = 0; i < base->packs.count; i++)
        if (!ret[i] && base->digests[i].size < REFRESH_SMALL_BYTES)
            packs[count++] = (struct little_used){i, bytes_used(&base->digests[i], used[i])};
    if (count <= REFRESH_SMALL_PACKS)
        return;
    qsort(packs, count, sizeof(*packs), compare_little_used);
    for (size_t i = 0; i < count && packs[i].bytes <= room; i++) {
        room -= packs[i].bytes;
        ret[packs[i].place] = true;
    }
}

void refresh_choose(const struct stored_point *base, bool *ret)
{
    CLEANUP_FREE struct little_used *packs = mem_array(base->packs.count + 1, sizeof(*packs));
    CLEANUP_FREE uint64_t *used = count_used(base);

    choose_little_used(base, used, packs, ret);
    choose_small(base, used, packs, ret);
}
