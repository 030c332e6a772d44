/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Only one run at a time works on a guest: a file lock in the state directory.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/lock_file.h"

/* Busy ("in use since 2024-05-01 10:00:00 by virt-backup (pid 17)") if another run still has it
 * after wait_ms. Released with lock_file_release. If the guest has a journal, it needs no room: what
 * is noted there can be undone even if there is no lock file and none can be made. */
int guest_lock_take(int state_fd, const char *uuid, uint64_t wait_ms, struct lock_file **ret,
                    struct err *err);
/* Call this before releasing the lock: the lock file stays as long as the guest has a journal, so
 * that the guest can be put back even if there is no room for a new lock file. lock NULL: does
 * nothing. */
void guest_lock_leave(struct lock_file *lock, int state_fd, const char *uuid);
/* Removes the lock files and half-written notes of runs that have died. */
void guest_lock_sweep(int state_fd);
