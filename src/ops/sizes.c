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

static void add(uint64_t *sum, uint64_t more)
{
    if (!units_add(*sum, more, sum))
        *sum = UINT64_MAX;
}

void sizes_add(struct sizes *sum, const struct sizes *more)
{
    add(&sum->image, more->image);
    add(&sum->stored, more->stored);
    add(&sum->usage, more->usage);
}

void sizes_describe(const struct sizes *sizes, struct json *fields)
{
    json_set_u64(fields, "image-size", sizes->image);
    json_set_u64(fields, "stored-size", sizes->stored);
    json_set_u64(fields, "disk-usage", sizes->usage);
}
