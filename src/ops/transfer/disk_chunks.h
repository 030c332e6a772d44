/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A guest's disk as an end of a transfer.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codec/chunks.h"
#include "disk/reader.h"
#include "disk/writer.h"

/* The caller keeps it, without looking into it, for as long as the source or sink is used. */
struct disk_chunks {
    struct disk_reader *reader; /* borrowed, like the writer */
    struct disk_writer *writer;
    uint64_t chunk_size;
    uint64_t raw_size;
    bool increment;
    uint64_t zero_until; /* known zeros, from before the current chunk up to here */
    uint64_t same_until; /* as before, likewise */
    uint64_t read;       /* bytes that were read so far: may be looked at */
};

/* The guest-visible bytes of a disk. increment: chunks and blocks that were not written to since the
 * reader's bitmap was begun are the same; else all is read. */
struct chunk_source disk_chunks_source(struct disk_chunks *disk, struct disk_reader *reader,
                                       uint64_t chunk_size, bool increment);
struct chunk_sink disk_chunks_sink(struct disk_chunks *disk, struct disk_writer *writer,
                                   uint64_t chunk_size);
