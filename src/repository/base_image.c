/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "repository/base_image.h"

static void next_base_run(struct base_image *base)
{
    if (map_reader_next(&base->reader, &base->run, NULL) <= 0)
        base->run = (struct map_run){0};
}

void base_image_begin(struct base_image *base, const struct stored_point *point,
                      const struct stored_image *image)
{
    *base = (struct base_image){0};
    if (!image)
        return;
    stored_point_walk(point, image, &base->reader);
    next_base_run(base);
}

/* To the first run that ends behind this block. */
static void pass_base_runs(struct base_image *base, uint64_t block)
{
    while (base->run.count > 0 && base->run.block + base->run.count <= block)
        next_base_run(base);
}

struct known_block base_image_block(struct base_image *base, uint64_t block)
{
    pass_base_runs(base, block);
    if (base->run.count == 0 || block < base->run.block)
        return (struct known_block){.pack = BASE_NOWHERE};
    return (struct known_block){base->run.pack,
                                base->run.first + (uint32_t)(block - base->run.block)};
}

bool base_image_next(struct base_image *base, uint64_t *from, uint64_t to, struct map_run *ret)
{
    pass_base_runs(base, *from);
    if (base->run.count == 0 || base->run.block >= to || *from >= to)
        return false;
    uint64_t start = base->run.block > *from ? base->run.block : *from;
    uint64_t end = base->run.block + base->run.count;
    if (end > to)
        end = to;
    *ret = (struct map_run){.block = start,
                            .count = end - start,
                            .pack = base->run.pack,
                            .first = base->run.first + (uint32_t)(start - base->run.block)};
    *from = end;
    return true;
}
