/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Copies within a chunk. One place in about a thousand bytes is remembered, chosen by its
 * content and not by its offset: copies in a memory image lie at arbitrary offsets and far
 * apart. Looking for them costs a hundredth of encoding with LZMA.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct repeats;

struct repeats *repeats_new(uint64_t chunk_size, struct err *err);
void repeats_free(struct repeats *repeats); /* accepts NULL */
uint64_t repeats_memory(void);              /* of one of them, in bytes */
/* Bytes for each place that is remembered, on average. */
size_t repeats_spacing(const struct repeats *repeats);

/* Forgets all places, before another chunk is looked at. */
void repeats_begin(struct repeats *repeats);
/* len bytes of a chunk, from an offset on. */
struct repeats_part {
    const uint8_t *chunk;
    size_t offset;
    size_t len;
};

/* Looks at a part of the chunk. `found` is called for each place whose bytes were seen before:
 * `place` is the offset just past it, `earlier` that of the last time. Once the memory for places
 * is used up, no more are remembered, but the known ones are still found. */
void repeats_look(struct repeats *repeats, const struct repeats_part *part,
                  void (*found)(void *opaque, size_t place, size_t earlier), void *opaque);
