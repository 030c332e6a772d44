/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/taken_over.h"

static uint64_t blocks_of_chunk(const struct taken_over *taken_over)
{
    return taken_over->source->chunk_size / LIMITS_BLOCK;
}

/* How many of the chunks, from id on, have no block that must be read. */
static uint64_t count_usable(struct taken_over *taken_over, uint64_t id, uint64_t count)
{
    uint64_t in_chunk = blocks_of_chunk(taken_over);
    uint64_t at = id * in_chunk, end = (id + count) * in_chunk;
    struct map_run run;

    (void)base_image_block(&taken_over->base, at); /* moves on to it */
    struct base_image ahead = taken_over->base;
    pthread_mutex_lock(taken_over->planning);
    while (base_image_next(&ahead, &at, end, &run))
        if (!known_is_usable(taken_over->known, run.pack)) {
            count = run.block / in_chunk - id;
            break;
        }
    pthread_mutex_unlock(taken_over->planning);
    return count;
}

static int look_at_taken_over(void *opaque, uint64_t id, struct chunk_run *ret, struct err *err)
{
    struct taken_over *taken_over = opaque;
    const struct chunk_source *source = taken_over->source;

    if (source->look(source->opaque, id, ret, err) < 0)
        return -1;
    if (ret->kind != CHUNK_SAME)
        return 0;
    ret->count = count_usable(taken_over, id, ret->count);
    if (ret->count == 0)
        *ret = (struct chunk_run){.kind = CHUNK_DATA, .count = 1};
    return 0;
}

static int read_taken_over(void *opaque, uint64_t id, void *data, size_t cap, size_t *ret_len,
                           enum chunk_kind *ret_kind, struct err *err)
{
    const struct chunk_source *source = ((struct taken_over *)opaque)->source;

    return source->read(source->opaque, id, data, cap, ret_len, ret_kind, err);
}

static int find_same_taken_over(void *opaque, uint64_t id, uint64_t *ret_same, struct err *err)
{
    struct taken_over *taken_over = opaque;
    const struct chunk_source *source = taken_over->source;
    uint64_t in_chunk = blocks_of_chunk(taken_over);
    uint64_t same = 0;

    if (source->find_same(source->opaque, id, &same, err) < 0)
        return -1;
    pthread_mutex_lock(taken_over->planning);
    for (uint64_t n = 0; n < in_chunk; n++) {
        struct known_block at = base_image_block(&taken_over->base, id * in_chunk + n);
        if (at.pack != BASE_NOWHERE && !known_is_usable(taken_over->known, at.pack))
            same &= ~(UINT64_C(1) << n);
    }
    pthread_mutex_unlock(taken_over->planning);
    *ret_same = same;
    return 0;
}

static int read_other_blocks(void *opaque, uint64_t id, uint64_t blocks, void *data,
                             struct err *err)
{
    const struct chunk_source *source = ((struct taken_over *)opaque)->source;

    return source->read_blocks(source->opaque, id, blocks, data, err);
}

static int check_taken_over(void *opaque, struct err *err)
{
    const struct chunk_source *source = ((struct taken_over *)opaque)->source;

    return source->check ? source->check(source->opaque, err) : 0;
}

struct chunk_source taken_over_source(struct taken_over *taken_over)
{
    struct chunk_source source = *taken_over->source;

    source.opaque = taken_over;
    source.look = look_at_taken_over;
    source.read = read_taken_over;
    source.find_same = find_same_taken_over;
    source.read_blocks = read_other_blocks;
    source.check = source.check ? check_taken_over : NULL;
    return source;
}
