/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/witnesses.h"

#include "codec/chunk_digest.h"
#include "repository/block_id.h"

static int begin_witness_map(const struct point_map *map, const struct point_packs *packs,
                             struct map_reader *ret, struct err *err)
{
    return map_reader_begin(ret, map->bytes.data, map->bytes.len, &packs->map_packs, err);
}

static int count_data(const struct point_map *map, const struct point_packs *packs, uint64_t *ret,
                      struct err *err)
{
    struct map_reader reader;
    struct map_run run;
    int more;

    *ret = 0;
    if (begin_witness_map(map, packs, &reader, err) < 0)
        return -1;
    while ((more = map_reader_next(&reader, &run, err)) > 0)
        *ret += run.count;
    return more;
}

/* Which of `count` blocks the n-th witness is; ascending, but not strictly. */
static uint64_t rank_of(unsigned n, uint64_t count)
{
    if (n == 0)
        return 0;
    if (n == WITNESSES_SPREAD + 1)
        return count - 1;
    /* in the middle of its part */
    return (uint64_t)((unsigned __int128)count * (2 * n - 1) / (2 * WITNESSES_SPREAD));
}

static void add_witness(const struct known *known, const struct map_run *run, uint64_t in_run,
                        struct trust_section *ret)
{
    const struct known_block at = {run->pack, run->first + (uint32_t)in_run};
    struct trust_witness *witness = &ret->witnesses[ret->witness_count];

    witness->offset = (run->block + in_run) * LIMITS_BLOCK;
    if (known_id(known, &at, &witness->id))
        ret->witness_count++;
}

int witnesses_choose(const struct point_map *map, const struct point_packs *packs,
                     const struct known *known, struct trust_section *ret, struct err *err)
{
    struct map_reader reader;
    struct map_run run = {0};
    uint64_t count = 0, passed = 0; /* blocks of data, all and before the run */
    uint64_t last = UINT64_MAX;
    int more = 1;

    if (count_data(map, packs, &count, err) < 0 || begin_witness_map(map, packs, &reader, err) < 0)
        return -1;
    ret->witnesses = mem_array(LIMITS_WITNESSES, sizeof(*ret->witnesses));
    for (unsigned n = 0; n < WITNESSES_SPREAD + 2 && count > 0; n++) {
        uint64_t rank = rank_of(n, count);
        if (rank == last)
            continue;
        last = rank;
        while (rank >= passed + run.count) {
            passed += run.count;
            if ((more = map_reader_next(&reader, &run, err)) <= 0)
                return more;
        }
        add_witness(known, &run, rank - passed, ret);
    }
    return 0;
}

bool witnesses_fit(const uint8_t *id_salt, const struct trust_witness *witness, const void *data,
                   size_t len)
{
    CLEANUP(chunk_digest_freep) struct chunk_digest *chunk = chunk_digest_new();
    CLEANUP(block_ids_freep) struct block_ids *ids = block_ids_new(id_salt);
    uint8_t digest[DIGEST_SIZE];
    struct id id;

    chunk_digest_of(chunk, data, len, digest);
    block_id_of(ids, digest, &id);
    return id_compare(&id, &witness->id) == 0;
}
