/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The state directory: where a run notes what it is about to do to a guest, and
 * holds the guest's lock. /var/lib/virt-backup for root,
 * $XDG_STATE_HOME/virt-backup (~/.local/state/virt-backup) for others; mode 0700.
 */
#pragma once

#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

/* Opens it, making it and what is missing above it. */
int state_dir_open(int *ret_fd, struct err *err);
/* Its path; the caller frees. */
int state_dir_path(char **ret, struct err *err);

/* ---- one run at a time works on a guest ------------------------------------------- */

struct guest_lock;

/* Busy ("busy since 2024-05-01 10:00:00 by pid 17, ...") when another run still has
 * it after wait_ms. The kernel's lock ends with its holder, however that ends. */
int guest_lock_take(int state_fd, const char *uuid, uint64_t wait_ms, struct guest_lock **ret,
                    struct err *err);
void guest_lock_release(struct guest_lock *lock);
/* Removes the lock files and half-written notes of runs that have died. */
void guest_lock_sweep(int state_fd);
DEFINE_CLEANUP(struct guest_lock *, guest_lock_releasep, guest_lock_release)
