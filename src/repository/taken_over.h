/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The source of an increment, of which a block is only the same if the base has it where it can be
 * referred to: what is in packs that are lost, damaged, to be left or of another codec is to be read,
 * too.
 */
#pragma once

#include <pthread.h>

#include "codec/chunks.h"
#include "repository/base_image.h"

/* All is borrowed. */
struct taken_over {
    const struct chunk_source *source; /* has find_same */
    const struct known *known;
    pthread_mutex_t *planning; /* held by whoever makes packs known no more */
    struct base_image base;    /* at its beginning */
};

/* Keeps to the order of its source. */
struct chunk_source taken_over_source(struct taken_over *taken_over);
