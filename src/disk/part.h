/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is known of a part of an image without reading it.
 */
#pragma once

#include <stdint.h>

enum disk_part_kind {
    DISK_DATA,      /* must be read */
    DISK_ZERO,      /* all zeros: a hole, an unallocated or zero cluster */
    DISK_SAME,      /* not written to since the dirty bitmap was begun, and not known to be zeros */
    DISK_SAME_ZERO, /* both */
};

struct disk_part {
    enum disk_part_kind kind;
    uint64_t len; /* bytes, at least 1; never beyond the end of the image */
};
