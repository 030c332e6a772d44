/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Runs one image through the children, from a chunk source to a chunk sink, within the rate limit
 * and with progress. The ends are an image of a store (archive/image.h) on one side, and on the
 * other a disk or a file (ops/transfer/disk_chunks.h, ops/transfer/file_chunks.h).
 */
#pragma once

#include "codec/chunks.h"
#include "ops/events/report.h"
#include "ops/transfer/children.h"
#include "record/manifest.h"

struct transfer {
    struct children *children; /* with the pool for this image */
    const struct report *report;
    const char *guest;
    const char *what; /* "vda", "memory": for progress */
};

/* Encodes what the source reads. */
int transfer_in(struct transfer *transfer, const struct chunk_source *source,
                const struct chunk_sink *sink, struct err *err);

/* Decodes what the source reads. sink NULL: to nowhere; else it must take chunks in any order, and
 * needs no chain. At the end what was read is checked by the source, and the content digest is
 * compared with that of the facts, if they have one (corrupt if it differs). */
int transfer_out(struct transfer *transfer, const struct chunk_source *source,
                 const struct chunk_sink *sink, const struct manifest_image *facts,
                 struct err *err);
