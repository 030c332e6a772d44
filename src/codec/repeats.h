/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Copies within a chunk. One place in some thousand bytes is remembered, chosen by what
 * stands there and not by its offset: copies in a memory image lie at any offset, and far
 * from each other. Looking costs a hundredth of what encoding with LZMA does.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct repeats;

struct repeats *repeats_new(uint64_t chunk_size, struct err *err);
void repeats_free(struct repeats *repeats); /* accepts NULL */
uint64_t repeats_memory(void);              /* what one of them takes */
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

/* Looks at a part of the chunk. `found` is called for each place, the offset of the byte behind
 * it, whose bytes were met before: at `earlier`, where they were met last. When the memory for
 * places is used up, no more are remembered, but those that are go on being found. */
void repeats_look(struct repeats *repeats, const struct repeats_part *part,
                  void (*found)(void *opaque, size_t place, size_t earlier), void *opaque);
