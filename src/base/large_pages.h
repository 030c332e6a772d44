/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Memory for buffers of MiB, in the largest pages that the kernel is willing to give. A direct write
 * from small pages, which lie anywhere, becomes a request to the disk for every MiB or less, since a
 * request has a limited number of segments; from large ones it is a single one. They also cost far
 * fewer page faults.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LARGE_PAGE ((size_t)2 << 20)

/* All zeros, from the start of a large page on. It takes up room only as it is written to, a large page
 * at a time. NULL, and errno: there is no memory. */
void *large_pages_new(size_t size);
void large_pages_free(void *memory, size_t size); /* accepts NULL */

/* Like malloc, and freed with free(): for callers that no longer know the size by then. From 4 MiB on, it asks
 * for large pages where whole ones fit: random look-ups in large tables then take fewer page walks. */
void *large_pages_malloc(size_t size);

/* Whether this can be such memory. */
static inline bool large_pages_begin_at(const void *address)
{
    return (uintptr_t)address % LARGE_PAGE == 0;
}
