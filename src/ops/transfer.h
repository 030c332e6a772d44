/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where disks, MTCP and archive meet: each function connects one thing to the chunk source of a
 * pool and another to its sink, and runs it.
 */
#pragma once

#include <stdint.h>

#include "archive/image.h"
#include "disk/reader.h"
#include "disk/writer.h"
#include "ops/children.h"
#include "ops/report.h"

struct transfer {
    struct children *children; /* with the pool for this image */
    const struct report *report;
    const char *guest;
    const char *what;        /* "vda", "memory": for progress */
    const char *stored_path; /* of the file in the archive, for errors about it */
};

/* Stores the guest-visible bytes of a disk as an image. */
int transfer_disk_in(struct transfer *transfer, struct disk_reader *reader, uint64_t chunk_size,
                     struct image_writer *writer, struct err *err);

/* Stores bytes [start, start + size) of a file as an image. */
int transfer_file_in(struct transfer *transfer, int fd, uint64_t start, uint64_t size,
                     uint64_t chunk_size, struct image_writer *writer, struct err *err);

/* Restores a stored image to a disk, to a file at an offset, or to nowhere (only decodes it). At
 * the end the content digest is compared with the manifest's, and so is the SHA-256 of the stored
 * file if the reader hashes it (corrupt if either differs). */
int transfer_disk_out(struct transfer *transfer, struct image_reader *reader,
                      const struct manifest_stored *stored, struct disk_writer *writer,
                      struct err *err);
int transfer_file_out(struct transfer *transfer, struct image_reader *reader,
                      const struct manifest_stored *stored, int fd, uint64_t offset,
                      struct err *err);
int transfer_check(struct transfer *transfer, struct image_reader *reader,
                   const struct manifest_stored *stored, struct err *err);
