/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Internal to this folder: locks image files as QEMU does. QEMU holds one byte-range lock (open
 * file description lock, shared) for each permission that it uses, at byte 100 + n, and one for
 * each that it does not grant to others, at byte 200 + n. To find a conflict, query the lock of the
 * other kind.
 *
 * A lock ends when its descriptor and all copies of it are closed, or one of them releases it. A file system without locks is not an error.
 */
#pragma once

#include "base/err.h"

/* We read; nobody may write or resize. Busy if somebody does. */
int qemu_lock_read(int fd, struct err *err);
/* We write and resize; nobody else may use the image at all. */
int qemu_lock_write(int fd, struct err *err);
/* Like qemu_lock_write, but only checks and locks nothing: for an image that qemu-nbd opens
 * next. */
int qemu_lock_check_unused(int fd, struct err *err);
/* Ends our locks, whoever else has a copy of the descriptor. */
void qemu_lock_release(int fd);
