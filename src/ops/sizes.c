/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/sizes.h"

#include <sys/stat.h>

#include "base/units.h"

uint64_t sizes_usage(int fd, uint64_t length)
{
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || (uint64_t)st.st_blocks * 512 > length)
        return length;
    return (uint64_t)st.st_blocks * 512;
}

static void add_size(uint64_t *sum, uint64_t more)
{
    if (!units_add(*sum, more, sum))
        *sum = UINT64_MAX;
}

void sizes_add(struct sizes *sum, const struct sizes *more)
{
    add_size(&sum->image, more->image);
    add_size(&sum->stored, more->stored);
    add_size(&sum->usage, more->usage);
}
