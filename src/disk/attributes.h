/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Owner, group, mode and SELinux context of a file: recorded by backup, set again by restore. The
 * context is the extended attribute security.selinux itself, which can be read and set whether or
 * not a policy is loaded.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct attributes {
    uint32_t uid;
    uint32_t gid;
    char *user; /* owned; NULL: the id has no name on this host */
    char *group;
    uint32_t mode; /* permission bits, 07777 */
    char *selinux; /* owned; NULL: none */
};

int attributes_read(const char *path, struct attributes *ret, struct err *err);
/* Sets them on an open file or folder, whatever its name leads to by now, as far as the caller may.
 * *ret_partial is true if owner or context was refused for lack of privileges (this is not an
 * error; the mode is set in any case, never wider than recorded). Other failures are errors. The
 * ids count, not the names. Errors do not name the file. */
int attributes_apply(int fd, const struct attributes *attributes, bool *ret_partial,
                     struct err *err);
void attributes_clear(struct attributes *attributes);
#define CLEANUP_ATTRIBUTES CLEANUP(attributes_clear)
