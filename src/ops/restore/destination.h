/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The folder for the restored disks. A dry run checks the same things as a restore, and makes
 * nothing.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

/* The folder's absolute path; the caller frees. *ret_exists: it exists. Refused: a folder that
 * cannot be made because its parent is missing, something that is not a folder, a folder that this
 * user may not write to. */
int restore_destination_find(const char *path, char **ret_path, bool *ret_exists, struct err *err);
/* Makes the folder that was found missing. QEMU runs as a user other than root and must be able to
 * search it, so root gets 0711: it can be passed through, but not listed. */
int restore_destination_make(const char *path, struct err *err);
