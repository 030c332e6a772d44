/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Writes a large file or block device without using the host's page cache. That would disturb the
 * cache, cost a copy and, on many disks, half the speed. What is large and aligned is written with
 * O_DIRECT, from large pages (base/large_pages.h), 4 MiB at a time. The rest, and everything if the
 * file system has no O_DIRECT, goes through the cache and is written and dropped behind us
 * (base/write_behind.h).
 *
 * Calls block. An error names the byte and is final: data accepted earlier may be missing.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct bulk_writer;

/* Borrows fd, a regular file or block device that nobody else is writing, and sets and clears its
 * O_DIRECT. Takes 4 MiB of memory; NULL: there is none. */
struct bulk_writer *bulk_writer_new(int fd, struct err *err);
/* Accepts the data, but may only write it during a later call. Adjacent writes are joined. At least
 * 64 KiB that begin with a large page are not copied, if the offset is a multiple of 4096. */
int bulk_writer_write(struct bulk_writer *writer, const void *data, size_t len, uint64_t offset,
                      struct err *err);
/* Writes what was accepted, and clears O_DIRECT. Nothing is durable before fsync. */
int bulk_writer_flush(struct bulk_writer *writer, struct err *err);
/* Loses what was accepted but not flushed. Accepts NULL. */
void bulk_writer_free(struct bulk_writer *writer);
DEFINE_CLEANUP(struct bulk_writer *, bulk_writer_freep, bulk_writer_free)
