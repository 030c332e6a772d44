/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Where each block of an image is: runs of blocks that follow each other in the image and in a
 * pack. What no run covers is zeros. See MAPS in virt-backup-repository(5).
 *
 * A pack is named by its place in a list of packs that the point has (PACKS).
 */
#pragma once

#include "base/buf.h"
#include "repository/format/limits.h"

struct map_run {
    uint64_t block; /* of the image, from 0 */
    uint64_t count; /* at least 1 */
    uint32_t pack;  /* its place */
    uint32_t first; /* block of the pack */
};

/* ---- writing: runs in the order of the image, which do not overlap --------------------------- */

struct map_writer {
    struct buf bytes; /* owned */
    struct map_run pending;
    uint64_t end; /* block after the last run that was written */
    struct map_run last;
};

/* Of an image of this many bytes. */
void map_writer_begin(struct map_writer *writer, uint64_t image_size);
/* Joins it with the one before if it continues that. */
void map_writer_add(struct map_writer *writer, const struct map_run *run);
/* The caller frees what the buffer has. */
void map_writer_finish(struct map_writer *writer, struct buf *ret);
/* The map of what was added so far; appended. */
void map_writer_copy(const struct map_writer *writer, struct buf *ret);
void map_writer_clear(struct map_writer *writer);
#define CLEANUP_MAP_WRITER CLEANUP(map_writer_clear)

/* ---- reading --------------------------------------------------------------------------------- */

/* How many blocks each pack of the point has, by place; borrowed while a map is read. */
struct map_packs {
    const uint32_t *block_counts;
    uint32_t count;
};

struct map_reader {
    struct reader reader;
    const struct map_packs *packs;
    uint64_t size;   /* of the image */
    uint64_t blocks; /* of the image */
    struct map_run last;
    uint64_t end; /* block after the last run */
};

/* The most bytes that the map of an image of this size has. */
uint64_t map_max_len(uint64_t image_size);

/* Borrows data. Corrupt: it is too short or too long, or the image too large. */
int map_reader_begin(struct map_reader *reader, const void *data, size_t len,
                     const struct map_packs *packs, struct err *err);
/* 1 and the next run; 0 at the end; -1 if it is not a map (corrupt). Each run is within the image,
 * behind the one before, and within its pack. */
int map_reader_next(struct map_reader *reader, struct map_run *ret, struct err *err);
