/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whether an archive's locks work between hosts: on some file systems other hosts do not see them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The type of the file system that an open folder is on, as mount(8) names it: "ext4",
 * "fuse.sshfs". NULL: not known. The caller frees. */
char *reach_file_system(int dir_fd);
/* Finds the type in the text of /proc/self/mountinfo, by device number. */
char *reach_type_in(const char *mountinfo, unsigned major, unsigned minor);
/* True if other hosts can use a file system of this type and may not see this host's locks. */
bool reach_ends_at_host(const char *type);
