/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The state directory: here a run notes what it is about to do to a guest, and holds the guest's
 * lock (ops/undo/guest_lock.h). It is /var/lib/virt-backup for root, $XDG_STATE_HOME/virt-backup
 * (~/.local/state/virt-backup) for others; mode 0700.
 */
#pragma once

#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

/* Opens it; makes it, and any missing folders above it. */
int state_dir_open(int *ret_fd, struct err *err);
/* Opens it only to look; -1 if it does not exist or cannot be trusted. */
int state_dir_look(void);
/* The same, and why not. Not found: it does not exist. */
int state_dir_check(int *ret_fd, struct err *err);
/* Its path; the caller frees. */
int state_dir_path(char **ret, struct err *err);
