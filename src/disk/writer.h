/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Writes a restored disk: a new image file in any format that qemu-img creates and qemu-nbd writes,
 * or an existing block device. Errors begin with the path. A writer must be used by the thread that
 * made it, and that thread must live as long.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "disk/image.h"

struct disk_writer;

struct disk_target {
    const char *path; /* absolute */
    const char *format;
    const struct disk_option *options; /* recorded creation options, which are not trusted: unknown
                                        * and unsafe ones are left out with a warning. A vmdk that
                                        * is streamOptimized or has several files becomes
                                        * monolithicSparse, with a warning. */
    size_t option_count;
    uint64_t image_size;
    bool block_device; /* path is an existing block device; format raw, or qcow2 or qed written onto
                        * the device */
    bool in_folder;    /* the file is made in this folder instead, with the last component of the
                        * path as its name: */
    int folder_fd;     /* borrowed; nobody else can change its contents */
};

/* A file: created 0600, refused if it exists (exists). A block device: refused if it is mounted, or
 * used by anything that opened it exclusively (busy), or for raw if it is smaller than the image
 * (no-space, with both sizes). Raw files are written directly and sparse, other formats through
 * qemu-nbd. A format that cannot be written (bochs, cloop, dmg, luks) is unsupported. */
int disk_writer_create(const struct disk_target *target, struct disk_writer **ret, struct err *err);
/* In any order, each byte at most once; on a block device each byte exactly once, by this or by
 * disk_writer_zero. Runs of zeros in the data become holes if unwritten parts of the target read as
 * zeros. The failure of a write may be told by a later one, or by disk_writer_finish. */
int disk_writer_write(struct disk_writer *writer, uint64_t offset, const void *data, size_t len,
                      struct err *err);
/* A run of zeros: left as a hole in a new image; on a raw block device the kernel makes it read as
 * zeros in the way that is cheapest for the device. */
int disk_writer_zero(struct disk_writer *writer, uint64_t offset, uint64_t len, struct err *err);
/* Flushes everything to stable storage, including the folder; the image is complete and released,
 * so a guest can start on it. */
int disk_writer_finish(struct disk_writer *writer, struct err *err);
/* Closes it; a file that was not finished is removed. Accepts NULL. */
void disk_writer_free(struct disk_writer *writer);
DEFINE_CLEANUP(struct disk_writer *, disk_writer_freep, disk_writer_free)
