/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The segment that control process and child share, one per child (a memfd):
 *
 *   [head][input area 0][input area 1][output area]
 *
 * The first M is about input area 0, the second about area 1, and so on in turn. The
 * control process may write the area of the next M at any time before it sends that M;
 * it reads head and output area between the child's answer to an M and the next M. The
 * child reads only the input area of the M that it has, and writes head and output area
 * between receiving an M and sending its own M in answer to F. Nothing else overlaps, so
 * no lock is needed.
 * The head holds the digest of the raw chunk: decoding answers with raw bytes
 * only, and so the control process need not hash them itself. Those of its blocks
 * follow, if the settings call for them.
 *
 * Encoding with codec none, the result would be a copy of the input, and so it is
 * an outline (codec/result.h) of the chunk, which stays in its input area until
 * the control process has put it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mtcp/spawner.h"

#define SHARED_BLOCKS_OFFSET DIGEST_SIZE /* in the head */
#define SHARED_INPUTS 2

struct shared_layout {
    size_t head_size;
    size_t blocks_size; /* of the digests of a chunk's blocks; 0: they are not wanted */
    size_t input_offset[SHARED_INPUTS];
    size_t input_size; /* of each */
    size_t output_offset;
    size_t output_size;
    size_t total_size;
};

/* Encoding: input a raw chunk, output a result. Decoding: the reverse. */
void shared_layout(const struct child_settings *settings, struct shared_layout *ret);
/* Are the results of children with these settings outlines, when they answer M? */
bool shared_outlines(const struct child_settings *settings);
