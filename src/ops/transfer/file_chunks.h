/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A part of a file, such as a memory stream, as an end of a transfer.
 */
#pragma once

#include <stdint.h>

#include "codec/chunks.h"

struct file_chunks {
    const char *path; /* for messages, which begin with it; borrowed */
    int fd;           /* borrowed; its offset is not used, but moved */
    uint64_t start;
    uint64_t chunk_size;
    uint64_t raw_size;
};

/* Bytes [start, start + raw_size) of the file. */
struct chunk_source file_chunks_source(struct file_chunks *file);
/* The file must have its full size already, and be all zeros there. */
struct chunk_sink file_chunks_sink(struct file_chunks *file);
