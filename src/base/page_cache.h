/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reading a large file or block device without changing what of it is in the host's page
 * cache: what was cached before stays, what only we brought in goes when we are past it, or
 * at the end. All of it is advice to the kernel, and its failures are ignored; where it does
 * not say what is cached, all stays. Others who read the file at the same time are not seen.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct page_cache; /* a file that is read */

/* Borrows fd. size: of the file. */
struct page_cache *page_cache_new(int fd, uint64_t size);
/* Fills all of data. The error names the byte of the file. */
int page_cache_read(struct page_cache *cache, uint64_t offset, void *data, size_t len,
                    struct err *err);
/* To be called before somebody else, a process that was given the file, reads at offset or
 * behind it for us: what that brings in goes too, as far as it is near. */
void page_cache_enter(struct page_cache *cache, uint64_t offset);
void page_cache_free(struct page_cache *cache);
DEFINE_CLEANUP(struct page_cache *, page_cache_freep, page_cache_free)
