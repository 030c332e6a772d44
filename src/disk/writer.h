/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Writing a restored disk: a new image file of any format qemu-img creates and
 * qemu-nbd writes, or an existing block device.
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
    const char *path;
    const char *format;
    const struct disk_option *options; /* recorded creation options; those that qemu-img
                                          does not know for this format are left out with a warning */
    size_t option_count;
    uint64_t image_size;
    bool block_device; /* path is an existing block device, of at least image_size bytes;
                          format may be raw or another one written onto the device */
};

/* A file: created 0600, refused if it exists (exists). A block device: refused if
 * it is mounted, or in use by anything that opened it exclusively (busy), or too
 * small (no-space, with both sizes). Raw files are written directly and sparse,
 * other formats through qemu-nbd. */
int disk_writer_create(const struct disk_target *target, struct disk_writer **ret, struct err *err);
/* Any order, each byte at most once. Zero runs inside data become holes where the
 * target reads as zeros without being written. */
int disk_writer_write(struct disk_writer *writer, uint64_t offset, const void *data, size_t len,
                      struct err *err);
/* A run of zeros: left as a hole in a new file; written (or discarded where the
 * device promises zeros) on a block device. */
int disk_writer_zero(struct disk_writer *writer, uint64_t offset, uint64_t len, struct err *err);
/* Flushes all to stable storage; the image is complete. */
int disk_writer_finish(struct disk_writer *writer, struct err *err);
/* Closes; a file that was not finished is removed. Accepts NULL. */
void disk_writer_free(struct disk_writer *writer);
DEFINE_CLEANUP(struct disk_writer *, disk_writer_freep, disk_writer_free)
