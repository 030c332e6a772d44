/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/large_pages.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* No mapping begins in the middle of so many bytes. */
#define SMALL_PAGE ((size_t)4096)

/* Of a mapping. */
static size_t whole_pages(size_t size)
{
    return (size + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
}

/* Only advice: a kernel that declines it gives small ones. */
static void ask_for_large_pages(void *start, size_t size)
{
    (void)madvise(start, size, MADV_HUGEPAGE);
}

static void unmap(uint8_t *start, const uint8_t *end)
{
    if (start < end)
        (void)munmap(start, (size_t)(end - start));
}

void *large_pages_new(size_t size)
{
    size_t len = whole_pages(size), mapped = len + LARGE_PAGE - SMALL_PAGE;
    uint8_t *found = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (found == MAP_FAILED)
        return NULL;
    uint8_t *start = found + (LARGE_PAGE - (uintptr_t)found % LARGE_PAGE) % LARGE_PAGE;
    unmap(found, start);
    unmap(start + len, found + mapped);
    ask_for_large_pages(start, len);
    return start;
}

void large_pages_free(void *memory, size_t size)
{
    if (memory)
        unmap(memory, (uint8_t *)memory + whole_pages(size));
}

void *large_pages_malloc(size_t size)
{
    uint8_t *memory = malloc(size);

    if (memory && size >= 2 * LARGE_PAGE) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        size_t before = (page - (uintptr_t)memory % page) % page;
        ask_for_large_pages(memory + before, (size - before) / page * page);
    }
    return memory;
}
