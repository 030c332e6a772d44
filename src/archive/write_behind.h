/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Keeps a large file that is being written from filling the page cache: what was
 * written is sent to disk early and dropped from the cache once it is there. For
 * this folder's files only.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"

struct write_behind_window {
    uint64_t start;
    uint64_t end;
};

struct write_behind {
    int fd;           /* borrowed */
    uint64_t written; /* bytes in the current window, holes not counted */
    struct write_behind_window current;
    struct write_behind_window before; /* on its way to the disk */
};

/* Tells of len bytes just written at offset; offsets go upwards. A write error
 * that the kernel meets on the way is reported here or by fsync, but only once,
 * so a failure here is final. */
int write_behind_note(struct write_behind *behind, uint64_t offset, uint64_t len, struct err *err);
