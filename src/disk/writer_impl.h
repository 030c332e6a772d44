/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Internal to this folder: what a kind of writer provides. writer.c has checked ranges against the
 * size, adds path and free space to errors, and removes an unfinished file.
 */
#pragma once

#include "disk/format.h"
#include "disk/local.h"
#include "disk/writer.h"

struct writer_kind {
    /* Aligned runs of zeros of this size inside data are skipped, because unwritten parts of the
     * target read as zeros; 0: everything is written. */
    size_t hole_size;
    /* May tell the failure of an earlier write. */
    int (*write)(struct disk_writer *writer, uint64_t offset, const void *data, size_t len,
                 struct err *err);
    /* NULL: nothing to do. */
    int (*zero)(struct disk_writer *writer, uint64_t offset, uint64_t len, struct err *err);
    /* Flushes and releases the image. */
    int (*finish)(struct disk_writer *writer, struct err *err);
    void (*free)(struct disk_writer *writer); /* frees what the kind added, not the struct */
};

struct disk_writer { /* first member of each kind's struct */
    const struct writer_kind *kind;
    char *path;
    uint64_t size;
    struct local_file file; /* open, whatever the kind */
    bool is_new;            /* we made the file */
    bool finished;
};

/* The kinds. `file` is open and is taken over on success: a new, empty file, or a block device
 * opened exclusively. */
int disk_writer_new_file(const struct disk_target *target, struct local_file *file,
                         struct disk_writer **ret, struct err *err);
int disk_writer_new_device(const struct disk_target *target, struct local_file *file,
                           struct disk_writer **ret, struct err *err);
int disk_writer_new_nbd(const struct disk_target *target, const struct format *format,
                        struct local_file *file, struct disk_writer **ret, struct err *err);
