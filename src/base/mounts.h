/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The mounted file system that a folder is on, as /proc/self/mountinfo has it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

struct mount {
    char *type;    /* as mount(8) names it: "ext4", "nfs4"; owned, like the other */
    char *options; /* of the mount and of the file system: "rw,noatime,rw,errors=remount-ro" */
};

/* -1: not known. */
int mounts_of(int fd, struct mount *ret);
/* The same of this text, by the number of the mount. */
int mounts_find(const char *mountinfo, uint64_t id, struct mount *ret);
/* Whether the options have this word, or, if it ends with '=', one that begins with it. */
bool mounts_has(const struct mount *mount, const char *word);
void mounts_clear(struct mount *mount);
#define CLEANUP_MOUNT CLEANUP(mounts_clear)
