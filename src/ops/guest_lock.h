/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One run at a time works on a guest: a file lock in the state directory.
 */
#pragma once

#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct guest_lock;

/* Busy ("busy since 2024-05-01 10:00:00 by pid 17, ...") when another run still has
 * it after wait_ms. The kernel's lock ends with its holder, however that ends. */
int guest_lock_take(int state_fd, const char *uuid, uint64_t wait_ms, struct guest_lock **ret,
                    struct err *err);
void guest_lock_release(struct guest_lock *lock);
/* Removes the lock files and half-written notes of runs that have died. */
void guest_lock_sweep(int state_fd);
DEFINE_CLEANUP(struct guest_lock *, guest_lock_releasep, guest_lock_release)
