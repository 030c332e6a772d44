/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How large backups are: what the guests see, and what the archive holds for them.
 */
#pragma once

#include <stdint.h>

struct sizes {
    uint64_t image;  /* bytes as the guest sees them */
    uint64_t stored; /* lengths of the files in the archive */
    uint64_t usage;  /* disk space that these take: less, if they are sparse */
};

/* Disk space that an open file of this length takes; the length if that is not known. */
uint64_t sizes_usage(int fd, uint64_t length);
/* Sums that would not fit stay at UINT64_MAX: manifests come from outside. */
void sizes_add(struct sizes *sum, const struct sizes *more);
