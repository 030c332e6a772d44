/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The folder for the restored disks. A dry run asks the same questions as a restore, and makes
 * nothing.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

/* The folder's absolute path; the caller frees. *ret_exists: it is there. Refused: one that could
 * not be made because the folder around it is missing, what is no folder, one that this user
 * may not write to. */
int restore_destination_find(const char *path, char **ret_path, bool *ret_exists, struct err *err);
/* Makes the folder that was found to be missing. QEMU runs as another user than root and must
 * be able to search it, hence 0711 for root: a path through, nothing to list. */
int restore_destination_make(const char *path, struct err *err);
