/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Internal to this folder: what a kind of writer provides. Ranges have been
 * checked against the size; path and free space are added to errors, and an
 * unfinished file is removed, by writer.c.
 */
#pragma once

#include "disk/format.h"
#include "disk/local.h"
#include "disk/writer.h"

struct writer_kind {
    /* Aligned runs of zeros of this size are passed over inside data, because the
     * target reads as zeros where it was not written; 0: all is written. */
    size_t hole_size;
    /* The data is borrowed until settle. */
    int (*write)(struct disk_writer *writer, uint64_t offset, const void *data, size_t len,
                 struct err *err);
    /* Waits for what was written; also after a failure. NULL: write has waited. */
    int (*settle)(struct disk_writer *writer, struct err *err);
    /* NULL: nothing to do. */
    int (*zero)(struct disk_writer *writer, uint64_t offset, uint64_t len, struct err *err);
    /* Flushes and lets go of the image. */
    int (*finish)(struct disk_writer *writer, struct err *err);
    void (*free)(struct disk_writer *writer); /* frees what the kind added, not the struct */
};

struct disk_writer { /* first member of each kind's own struct */
    const struct writer_kind *kind;
    char *path;
    uint64_t size;
    struct local_file file; /* open, whatever the kind */
    bool is_new;            /* we made the file */
    bool finished;
};

/* The kinds. `file` is open and given away on success: a new, empty file or a block
 * device opened exclusively. */
int disk_writer_new_file(const struct disk_target *target, struct local_file *file,
                         struct disk_writer **ret, struct err *err);
int disk_writer_new_device(const struct disk_target *target, struct local_file *file,
                           struct disk_writer **ret, struct err *err);
int disk_writer_new_nbd(const struct disk_target *target, const struct format *format,
                        struct local_file *file, struct disk_writer **ret, struct err *err);
