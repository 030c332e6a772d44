/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Identifies a file whatever name leads to it, so that a file made by us can be distinguished from
 * what somebody else has put in its place.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct file_id {
    uint64_t device; /* may change at a reboot */
    uint64_t inode;  /* 0: not known */
    uint64_t born;   /* nanoseconds since 1970; 0: the file system does not say */
};

int file_id_read(int fd, struct file_id *ret, struct err *err);
/* True if both are known and are the same file. The device counts only if a birth time is
 * missing. */
bool file_id_same(const struct file_id *a, const struct file_id *b);
/* True if `name` in that folder is the file itself, not a link to it. Otherwise errno is 0 if
 * another file is there, or says why nothing could be found. */
bool file_id_is_at(int dir_fd, const char *name, const struct file_id *id);
