/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * An image on its way from one store to another: decoded into a file without a name, and read from
 * there. Page cache and disk are between the two, and a disk that is full or bad may lose what was
 * written after the write has succeeded. So of each piece that is written a fingerprint is kept, and
 * what is read must have it: 8 bytes for each chunk, of those of the two stores the smaller.
 */
#pragma once

#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "codec/chunks.h"

struct spool;

struct spool_request {
    const char *folder; /* borrowed */
    uint64_t raw_size;
    uint64_t written_chunk; /* bytes; both are chunk sizes of codec/codec.h */
    uint64_t read_chunk;
};

/* All zeros. Errors of all functions and of both ends name the folder, and --staging-path. */
int spool_open(const struct spool_request *request, struct spool **ret, struct err *err);
void spool_close(struct spool *spool); /* accepts NULL */
DEFINE_CLEANUP(struct spool *, spool_closep, spool_close)

/* Takes each chunk once, in any order. */
struct chunk_sink spool_sink(struct spool *spool);
/* When all is written: waits until the disk has it. */
int spool_flush(struct spool *spool, struct err *err);
/* Reading fails (I/O) where the bytes are not those that were written. */
struct chunk_source spool_source(struct spool *spool);
