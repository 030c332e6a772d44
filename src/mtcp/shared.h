/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The segment that control process and child share, one per child (a memfd). It has two areas,
 * each with room for one chunk on its way:
 *
 *   [digests][input][output]
 *
 * The first M is about area 0, the second about area 1, and so on in turn. An area is the control
 * process's until it sends the M about it; the child's, to read the input and to write the rest,
 * until it sends its own M in answer to F; and then the control process's again. So the child
 * works in one area while the control process puts the last result and reads the next chunk in the
 * other, and no lock is needed.
 * The digests are that of the raw chunk - decoding answers with raw bytes only, and so the
 * control process need not hash them itself - and those of its blocks, if the settings call for
 * them; decoding, those of its leaves, from which the control process makes those of the blocks, and
 * before that, from the control process, which blocks are wanted at all.
 *
 * Encoding with codec none, the result would be a copy of the input, and so it is
 * an outline (codec/result.h) of the chunk, which stays in the same area until
 * the control process has put it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mtcp/spawner.h"

#define SHARED_AREAS 2

struct shared_layout {
    size_t blocks_size; /* of the digests of a chunk's blocks; 0: they are not wanted */
    size_t leaves_size; /* of those of the leaves; 0 */
    size_t input_size;
    size_t output_size;
    size_t input_offset; /* in an area */
    size_t output_offset;
    size_t area_size;
    size_t total_size;
};

struct shared_area {
    uint8_t *digest;
    uint8_t *blocks; /* NULL: they are not wanted */
    uint8_t *leaves; /* instead of them, in what was decoded after M; NULL */
    uint8_t *wanted; /* with leaves: which blocks are, 8 bytes in this host's order; 0: all */
    uint8_t *input;
    uint8_t *output;
};

/* Encoding: input a raw chunk, output a result. Decoding: the reverse. */
void shared_layout(const struct child_settings *settings, struct shared_layout *ret);
/* The parts of an area of a segment of this layout. */
struct shared_area shared_area(const struct shared_layout *layout, uint8_t *segment,
                               unsigned number);
/* Are the results of children with these settings outlines, when they answer M? */
bool shared_outlines(const struct child_settings *settings);
