/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/extent_map.h"

#include "base/cleanup.h"
#include "base/units.h"

struct extent {
    uint64_t end;
    enum disk_part_kind kind;
};

void extent_map_begin(struct extent_map *map, uint64_t start, uint64_t limit)
{
    map->start = start;
    map->limit = limit;
    map->count = 0;
    map->last = 0;
}

static uint64_t end_of(const struct extent_map *map)
{
    return map->count ? map->extents[map->count - 1].end : map->start;
}

void extent_map_add(struct extent_map *map, uint64_t len, enum disk_part_kind kind)
{
    uint64_t end;

    if (!units_add(end_of(map), len, &end) || end > map->limit)
        end = map->limit;
    if (end == end_of(map)) /* empty, or beyond the image: servers may send as many as they like */
        return;
    if (map->count && map->extents[map->count - 1].kind == kind) {
        map->extents[map->count - 1].end = end;
        return;
    }
    map->extents = mem_resize(map->extents, map->count + 1, sizeof(*map->extents));
    map->extents[map->count++] = (struct extent){end, kind};
}

/* The first extent that ends behind offset, which is before that of `below`. */
static size_t go_back(const struct extent_map *map, uint64_t offset, size_t below)
{
    size_t first = 0;

    while (first < below) {
        size_t middle = first + (below - first) / 2;
        if (map->extents[middle].end <= offset)
            first = middle + 1;
        else
            below = middle;
    }
    return first;
}

bool extent_map_find(struct extent_map *map, uint64_t offset, struct disk_part *ret)
{
    size_t i = map->last;

    if (offset < map->start || offset >= end_of(map))
        return false;
    if (i > 0 && offset < map->extents[i - 1].end)
        i = go_back(map, offset, i - 1);
    while (map->extents[i].end <= offset)
        i++;
    map->last = i;
    *ret = (struct disk_part){map->extents[i].kind, map->extents[i].end - offset};
    return true;
}

void extent_map_clear(struct extent_map *map)
{
    free(map->extents);
    *map = (struct extent_map){0};
}
