/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Internal to this folder: the host's page cache is left as it was found. What
 * was cached before we read stays; what only we brought in does not, nor does what
 * we wrote. All of it is advice to the kernel: failures are ignored, except those
 * that tell of data that could not be written.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct page_cache; /* a file that is read */

/* Borrows fd. */
struct page_cache *page_cache_new(int fd, uint64_t size);
/* Fills all of data. The error names the byte of the file. */
int page_cache_read(struct page_cache *cache, uint64_t offset, void *data, size_t len,
                    struct err *err);
void page_cache_free(struct page_cache *cache);
DEFINE_CLEANUP(struct page_cache *, page_cache_freep, page_cache_free)

/* Writing: the kernel is made to write early, so that pages neither pile up nor
 * wait for the final flush. Zeroed at first. */
struct write_behind {
    struct write_range {
        uint64_t start;
        uint64_t end;
        uint64_t written; /* bytes between the two; the rest are holes */
    } filling, going_out;
};

/* Notes that [offset, offset + len) was written; may wait for earlier ranges. */
int write_behind_add(struct write_behind *behind, int fd, uint64_t offset, uint64_t len,
                     struct err *err);
/* After everything was flushed: drops the file's pages. */
void write_behind_drop_all(int fd);
