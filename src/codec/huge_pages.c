/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec/huge_pages.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Less would hardly hold a huge page, of 2 MiB on x86_64. */
#define SIZE_MIN ((size_t)4 << 20)

void *huge_pages_take(size_t size)
{
    void *memory = malloc(size);
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    if (memory && size >= SIZE_MIN) {
        uintptr_t start = ((uintptr_t)memory + page - 1) / page * page;
        uintptr_t end = ((uintptr_t)memory + size) / page * page;
        /* Only advice: if the kernel declines, the memory works just as well. */
        (void)madvise((void *)start, end - start, MADV_HUGEPAGE);
    }
    return memory;
}
