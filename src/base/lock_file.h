/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A file that one process at a time holds. The kernel's lock ends with its
 * holder, however that ends; the file is removed when the lock is released, and
 * one that a dead holder has left is locked anew.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct lock_file;

#define LOCK_FILE_FOREVER UINT64_MAX

/* Locks the file `name` in the folder dir_fd, which it makes if need be. Waits for
 * up to wait_ms while another process holds it, then fails (busy: "in use since
 * 2024-05-01 10:00:00 by virt-backup (pid 17)"); a signal ends the waiting
 * (cancelled). Unsupported: the file system has no such locks. */
int lock_file_take(int dir_fd, const char *name, uint64_t wait_ms, struct lock_file **ret,
                   struct err *err);
/* True if another process, or another lock of this one, holds the file. Needs no
 * right to write, and makes no file. */
bool lock_file_is_held(int dir_fd, const char *name);
/* Its file is not removed when the lock is released: who locks it next needs no room. */
void lock_file_leave(struct lock_file *lock);
/* Accepts NULL. */
void lock_file_release(struct lock_file *lock);
DEFINE_CLEANUP(struct lock_file *, lock_file_releasep, lock_file_release)
