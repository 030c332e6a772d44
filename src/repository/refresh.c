/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/refresh.h"

struct little_used {
    uint32_t place;
    uint64_t bytes; /* of the frames, those in use */
    uint64_t share; /* of its blocks that are used, times 2^32 */
};

static int compare_numbers(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_used_share(const void *a, const void *b)
{
    const struct little_used *x = a;
    const struct little_used *y = b;

    return x->share != y->share ? compare_numbers(x->share, y->share)
                                : compare_numbers(x->place, y->place);
}

static int compare_used_bytes(const void *a, const void *b)
{
    const struct little_used *x = a;
    const struct little_used *y = b;

    return x->bytes != y->bytes ? compare_numbers(x->bytes, y->bytes)
                                : compare_numbers(x->place, y->place);
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

static struct little_used little_used_of(const struct stored_point *base, const uint64_t *used,
                                         uint32_t place)
{
    const struct pack_digest *digest = &base->digests[place];
    uint64_t blocks = digest->block_count ? digest->block_count : 1;

    return (struct little_used){
        .place = place,
        .bytes = (digest->index_offset - PACK_HEAD_SIZE) * used[place] / blocks,
        .share = (used[place] << 32) / blocks,
    };
}

/* Leaves them as far as there is room: one that is too large does not keep others from it. */
static void leave_packs(const struct little_used *packs, size_t count, uint64_t room, bool *ret)
{
    for (size_t i = 0; i < count; i++)
        if (packs[i].bytes <= room) {
            room -= packs[i].bytes;
            ret[packs[i].place] = true;
        }
}

static void choose_little_used(const struct stored_point *base, const uint64_t *used,
                               struct little_used *packs, bool *ret)
{
    uint64_t room = base->info.stored / REFRESH_STORED_DIVISOR;
    size_t count = 0;

    if (room < REFRESH_BYTES_MIN)
        room = REFRESH_BYTES_MIN;
    for (uint32_t i = 0; i < base->packs.count; i++)
        if (used[i] * 100 < (uint64_t)base->digests[i].block_count * REFRESH_USED_PERCENT)
            packs[count++] = little_used_of(base, used, i);
    qsort(packs, count, sizeof(*packs), compare_used_share);
    leave_packs(packs, count, room, ret);
}

/* Without those that are left anyway. What they have makes one pack. */
static void choose_small(const struct stored_point *base, const uint64_t *used,
                         struct little_used *packs, bool *ret)
{
    size_t count = 0;

    for (uint32_t i = 0; i < base->packs.count; i++)
        if (!ret[i] && base->digests[i].size < REFRESH_SMALL_BYTES)
            packs[count++] = little_used_of(base, used, i);
    if (count <= REFRESH_SMALL_PACKS)
        return;
    qsort(packs, count, sizeof(*packs), compare_used_bytes);
    leave_packs(packs, count, LIMITS_PACK_BODY, ret);
}

void refresh_choose(const struct stored_point *base, bool *ret)
{
    CLEANUP_FREE struct little_used *packs = mem_array(base->packs.count + 1, sizeof(*packs));
    CLEANUP_FREE uint64_t *used = count_used(base);

    choose_little_used(base, used, packs, ret);
    choose_small(base, used, packs, ret);
}
