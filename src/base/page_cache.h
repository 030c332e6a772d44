/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reads a large file or block device without changing how much of it is in the host's page cache:
 * what was cached before stays, and what only our reading cached is dropped once we are past it, or
 * at the end. All of this is advice to the kernel, and its failures are ignored; if the kernel does
 * not say what is cached, everything stays. Others who read the file at the same time are not
 * noticed.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct page_cache; /* a file that is being read */

/* Borrows fd. size: of the file. */
struct page_cache *page_cache_new(int fd, uint64_t size);
/* Fills all of data. The error names the byte offset in the file. */
int page_cache_read(struct page_cache *cache, uint64_t offset, void *data, size_t len,
                    struct err *err);
/* Call this before another process that was given the file reads for us at or after offset: what
 * that caches is dropped too, if it is near enough. */
void page_cache_enter(struct page_cache *cache, uint64_t offset);
void page_cache_free(struct page_cache *cache);
DEFINE_CLEANUP(struct page_cache *, page_cache_freep, page_cache_free)
