/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One framing as container.c sees it.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "codec/container.h"

/* Where a container is: bytes [start, start + size) of fd. */
struct container_place {
    int fd;
    uint64_t start;
    uint64_t size;
};

struct container_format {
    void *(*writer_new)(void); /* NULL: no memory */
    int (*begin)(void *writer, struct buf *out, struct err *err);
    int (*add)(void *writer, const struct result_block *block, struct err *err);
    int (*end)(void *writer, struct buf *out, struct err *err);
    void (*writer_free)(void *writer); /* accepts NULL */

    bool (*starts)(const uint8_t *data); /* CONTAINER_START_SIZE bytes */
    /* Fills ret, which is empty, by container_index_append; on failure the caller clears it. */
    int (*read)(const struct container_place *place, struct container_index *ret, struct err *err);
};

extern const struct container_format container_format_xz;
extern const struct container_format container_format_zstd;

/* container_read for part of a container: offset + len must be within it. */
int container_pread(const struct container_place *place, uint64_t offset, void *data, size_t len,
                    struct err *err);
