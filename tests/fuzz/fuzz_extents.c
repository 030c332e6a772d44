/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A map: the number of packs and the blocks of each, then the map.
 */
#include "fuzz.h"

#include "repository/format/map.h"

#define MAX_PACKS 16

static void open_map(struct map_reader *reader, const struct buf *bytes,
                     const struct map_packs *packs)
{
    FUZZ_CHECK(map_reader_begin(reader, bytes->data, bytes->len, packs, NULL) == 0);
}

/* The next run, with all that continue it. */
static bool next_joined(struct map_reader *reader, struct map_run *ahead, struct map_run *ret)
{
    struct map_run run;

    if (ahead->count == 0 && map_reader_next(reader, ahead, NULL) != 1)
        return false;
    *ret = *ahead;
    ahead->count = 0;
    while (map_reader_next(reader, &run, NULL) == 1) {
        if (run.block != ret->block + ret->count || run.pack != ret->pack ||
            run.first != ret->first + ret->count) {
            *ahead = run;
            break;
        }
        ret->count += run.count;
    }
    return true;
}

static void check_same(const struct buf *a, const struct buf *b, const struct map_packs *packs)
{
    struct map_reader readers[2];
    struct map_run ahead[2] = {0}, runs[2] = {0};
    bool more = true;

    open_map(&readers[0], a, packs);
    open_map(&readers[1], b, packs);
    FUZZ_CHECK(readers[0].size == readers[1].size);
    while (more) {
        more = next_joined(&readers[0], &ahead[0], &runs[0]);
        FUZZ_CHECK(next_joined(&readers[1], &ahead[1], &runs[1]) == more);
        FUZZ_CHECK(runs[0].block == runs[1].block && runs[0].count == runs[1].count);
        FUZZ_CHECK(runs[0].pack == runs[1].pack && runs[0].first == runs[1].first);
    }
}

static void try_map(const uint8_t *data, size_t len, const struct map_packs *packs)
{
    CLEANUP_MAP_WRITER struct map_writer writer = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    CLEANUP_BUF struct buf again = {0};
    struct map_reader reader;
    struct map_run run;
    uint64_t end = 0;
    int rc = map_reader_begin(&reader, data, len, packs, &err);

    if (rc == 0) {
        FUZZ_CHECK(reader.size <= LIMITS_IMAGE);
        map_writer_begin(&writer, reader.size);
        rc = 1;
    }
    while (rc == 1 && (rc = map_reader_next(&reader, &run, &err)) == 1) {
        FUZZ_CHECK(run.count > 0 && run.block >= end);
        end = run.block + run.count;
        FUZZ_CHECK(end <= (reader.size + LIMITS_BLOCK - 1) / LIMITS_BLOCK);
        FUZZ_CHECK(run.pack < packs->count);
        FUZZ_CHECK(run.first + run.count <= packs->block_counts[run.pack]);
        map_writer_add(&writer, &run);
    }
    if (rc < 0) {
        FUZZ_CHECK(err.text && err.kind == ERR_CORRUPT);
        return;
    }
    map_writer_finish(&writer, &again);
    FUZZ_CHECK(again.len <= len);
    const struct buf first = {(uint8_t *)(uintptr_t)data, len, 0};
    check_same(&first, &again, packs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    uint32_t counts[MAX_PACKS];
    struct map_packs packs = {counts, fuzz_u8(&input) % (MAX_PACKS + 1)};

    for (uint32_t i = 0; i < packs.count; i++)
        counts[i] = 1 + (((uint32_t)fuzz_u8(&input) << 8) | fuzz_u8(&input));
    try_map(input.p, input.left, &packs);
    return 0;
}
