/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The state directory: where a run notes what it is about to do to a guest, and
 * holds the guest's lock (ops/guest_lock.h). /var/lib/virt-backup for root,
 * $XDG_STATE_HOME/virt-backup (~/.local/state/virt-backup) for others; mode 0700.
 */
#pragma once

#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

/* Opens it, making it and what is missing above it. */
int state_dir_open(int *ret_fd, struct err *err);
/* Opens it for a look; -1 if it is not there, or not to be trusted. */
int state_dir_look(void);
/* Its path; the caller frees. */
int state_dir_path(char **ret, struct err *err);
