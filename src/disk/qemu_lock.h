/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Internal to this folder: image files locked as QEMU locks them. QEMU holds one
 * byte-range lock (open file description lock, shared) for each permission that it
 * uses, at byte 100 + n, and for each that it does not grant to others, at byte
 * 200 + n; a conflict is found by asking for the other side's byte.
 *
 * A lock ends with its descriptor. File systems without locks are no error.
 */
#pragma once

#include "base/err.h"

/* We read; nobody may write or resize. Busy if somebody does. */
int qemu_lock_read(int fd, struct err *err);
/* We write and resize; nobody may use the image at all. */
int qemu_lock_write(int fd, struct err *err);
/* As qemu_lock_write, but nothing is locked: for an image that qemu-nbd opens next. */
int qemu_lock_check_unused(int fd, struct err *err);
