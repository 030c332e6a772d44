/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A file that only one process at a time holds. The kernel releases the lock when its holder ends,
 * however that happens. The file is removed when the lock is released; a file left by a dead holder
 * is locked again.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct lock_file;

#define LOCK_FILE_FOREVER UINT64_MAX

/* Locks the file `name` in the folder dir_fd, and makes it if needed. Waits up to wait_ms while
 * another process holds it, then fails (busy: "in use since 2024-05-01 10:00:00 by virt-backup (pid
 * 17)"); a signal ends the wait (cancelled). Unsupported: the file system has no such locks. */
int lock_file_take(int dir_fd, const char *name, uint64_t wait_ms, struct lock_file **ret,
                   struct err *err);
/* As lock_file_take, for files of which one may have to be locked although the file system has no
 * room to make it. or_folder: then the folder is locked as a whole in its place, which keeps out
 * all others who lock a file in it with this function, and succeeds only if nobody holds the file.
 */
int lock_file_take_under(int dir_fd, const char *name, bool or_folder, uint64_t wait_ms,
                         struct lock_file **ret, struct err *err);
/* True if another process, or another lock of this process, holds the file. Needs no write
 * permission, and does not make the file. */
bool lock_file_is_held(int dir_fd, const char *name);
/* Busy, with the same words as lock_file_take, if lock_file_is_held; changes nothing. */
int lock_file_check(int dir_fd, const char *name, struct err *err);
/* Keeps the file when the lock is released, so that the next one to lock it needs no room. */
void lock_file_leave(struct lock_file *lock);
/* Accepts NULL. */
void lock_file_release(struct lock_file *lock);
DEFINE_CLEANUP(struct lock_file *, lock_file_releasep, lock_file_release)
