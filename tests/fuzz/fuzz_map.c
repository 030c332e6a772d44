/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What an NBD server says about holes, and a reader that walks the image by it.
 */
#include "fuzz.h"

#include "disk/extent_map.h"

#define MAX_STEPS 64

/* As a disk's reader does: from the start of the answer to where it ends. */
static void walk(struct extent_map *map, uint64_t start, uint64_t limit)
{
    uint64_t at = start;
    struct disk_part part = {0};
    enum disk_part_kind before = DISK_DATA;

    for (int step = 0; step < MAX_STEPS && extent_map_find(map, at, &part); step++) {
        FUZZ_CHECK(part.len > 0 && part.len <= limit - at);
        FUZZ_CHECK(at == start || part.kind != before);
        at += part.len;
        before = part.kind;
    }
    FUZZ_CHECK(at == limit || extent_map_find(map, limit, &part) == false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct extent_map map = {0};
    struct disk_part part;

    while (input.left > 0) {
        uint64_t limit = (uint64_t)fuzz_u32(&input) << (fuzz_u8(&input) % 32);
        uint64_t start = limit ? fuzz_u32(&input) % limit : 0;
        uint8_t count = fuzz_u8(&input);
        if (limit == 0)
            continue;
        extent_map_begin(&map, start, limit);
        for (uint8_t i = 0; i < count && input.left > 0; i++) {
            extent_map_add(&map, fuzz_u32(&input), (enum disk_part_kind)(fuzz_u8(&input) % 3));
            uint64_t at = start + fuzz_u8(&input);
            if (extent_map_find(&map, at, &part))
                FUZZ_CHECK(at < limit && part.len > 0 && part.len <= limit - at);
        }
        walk(&map, start, limit);
    }
    extent_map_clear(&map);
    return 0;
}
