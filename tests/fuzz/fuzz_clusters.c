/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What qemu-img says about where the data of an image lies, and a reader that walks the
 * image by it.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "disk/cluster_map.h"

#define IMAGE_SIZE (UINT64_C(1) << 20)
#define FILE_COUNT 2

static const uint64_t file_sizes[FILE_COUNT] = {UINT64_C(2) << 20, UINT64_C(300) << 10};

static void walk(struct cluster_map *map, uint64_t start, uint64_t end)
{
    struct cluster_part part;

    for (uint64_t at = start; at < end; at += part.len) {
        cluster_map_find(map, at, &part);
        FUZZ_CHECK(part.len > 0 && part.len <= IMAGE_SIZE - at);
        if (part.kind != CLUSTER_IN_FILE)
            continue;
        FUZZ_CHECK(part.depth < FILE_COUNT);
        FUZZ_CHECK(part.offset < file_sizes[part.depth]);
        FUZZ_CHECK(part.len <= file_sizes[part.depth] - part.offset);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    uint8_t flags = fuzz_u8(&input);
    uint64_t start = flags & 2 ? fuzz_u32(&input) % IMAGE_SIZE : 0;
    CLEANUP_FREE char *text = fuzz_text(&input);
    struct cluster_image image = {.path = "/image",
                                  .qemu_format = "qcow2",
                                  .size = IMAGE_SIZE,
                                  .file_sizes = file_sizes,
                                  .file_count = FILE_COUNT,
                                  .min_part = flags & 4 ? 65536 : 0};
    CLEANUP(cluster_map_freep) struct cluster_map *map = cluster_map_new(&image);

    /* Of a head it is not said here where it ends, and behind that qemu-img would be run. */
    if (cluster_map_load(map, start, text, strlen(text), flags & 1, NULL) == 0)
        walk(map, start, flags & 1 ? start + 1 : IMAGE_SIZE);
    return 0;
}
