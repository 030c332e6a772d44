/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * An image as the base of a session has it: where each block is. Packs are named by their place in
 * the base, which is also their number among the known ones (repository/known_packs.h).
 */
#pragma once

#include "repository/known.h"
#include "repository/stored_point.h"

#define BASE_NOWHERE UINT32_MAX

/* Asked in the order of the image. A copy goes on by itself. */
struct base_image {
    struct map_reader reader;
    struct map_run run; /* count 0: there are no more */
};

/* Both are borrowed; image NULL: the base has nothing of it. */
void base_image_begin(struct base_image *base, const struct stored_point *point,
                      const struct stored_image *image);
/* .pack is BASE_NOWHERE: it is zeros. */
struct known_block base_image_block(struct base_image *base, uint64_t block);
/* What there is between two blocks, one run after the other; false: there are no more. *from is moved
 * on. */
bool base_image_next(struct base_image *base, uint64_t *from, uint64_t to, struct map_run *ret);
