/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Keeps a large file or block device that is being written from filling the host's page cache:
 * written data is sent to disk early, and dropped from the cache once it is there. At most two
 * ranges are in the cache, one being filled and one being written out. This is only advice to the
 * kernel: if it is not taken the data stays in the cache, and is still correct.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"

struct write_behind { /* zeroed at first */
    struct write_range {
        uint64_t start;
        uint64_t end;
        uint64_t written; /* bytes written between the two; the rest are holes */
    } filling, going_out;
};

/* Notes that [offset, offset + len) of fd was written; may wait for earlier ranges. If the kernel
 * meets a write error, it reports it either here or to fsync, but only once, so a failure here is
 * final. */
int write_behind_add(struct write_behind *behind, int fd, uint64_t offset, uint64_t len,
                     struct err *err);
/* Call this after everything was flushed: drops the file's pages. */
void write_behind_drop_all(int fd);
