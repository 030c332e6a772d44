/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Writes a large file or block device past the host's page cache, which so stays as it
 * was, and which costs a copy and, on many disks, half the speed. What is large and aligned
 * goes with O_DIRECT; the rest, and all of it where the file system has no O_DIRECT, goes
 * through the cache and is written and dropped behind us (base/write_behind.h).
 *
 * Calls block. An error names the byte and is final: what was taken before may be missing.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct bulk_writer;

/* Borrows fd, a regular file or block device that nobody else writes, and sets and
 * clears its O_DIRECT. Takes 4 MiB of memory; NULL: there is none. */
struct bulk_writer *bulk_writer_new(int fd, struct err *err);
/* The data is taken, but may be written by a later call only. Writes that follow one the
 * other are joined; data that lies at a multiple of the page size, for an offset that is
 * one, is not copied. */
int bulk_writer_write(struct bulk_writer *writer, const void *data, size_t len, uint64_t offset,
                      struct err *err);
/* Writes what was taken, and clears O_DIRECT. Nothing is durable before fsync. */
int bulk_writer_flush(struct bulk_writer *writer, struct err *err);
/* What was taken and not flushed is lost. Accepts NULL. */
void bulk_writer_free(struct bulk_writer *writer);
DEFINE_CLEANUP(struct bulk_writer *, bulk_writer_freep, bulk_writer_free)
