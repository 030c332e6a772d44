/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The segment that control process and child share, one per child (a memfd):
 *
 *   [head: SHARED_HEAD_SIZE][input area][output area]
 *
 * The control process writes the input area before it sends M, and reads head
 * and output area after the child has answered M, before it sends the next M.
 * The child only reads the input area, and writes head and output area between
 * an M that it received and its M in answer to F. No other overlap, so no lock.
 * The head holds the SHA-256 of the raw chunk: decoding answers with raw bytes
 * only, and so the control process need not hash them itself.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "mtcp/spawner.h"

#define SHARED_HEAD_SIZE 4096

struct shared_layout {
    size_t input_offset;
    size_t input_size;
    size_t output_offset;
    size_t output_size;
    size_t total_size;
};

/* Encoding: input a raw chunk, output a result. Decoding: the reverse. */
void shared_layout(const struct child_settings *settings, struct shared_layout *ret);
