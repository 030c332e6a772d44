/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Internal to this folder: files and block devices of this host, opened by
 * absolute path only. A path that does not begin with '/' could be read by QEMU
 * as something else ("json:...", "nbd:..."), so none gets that far.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"

struct local_file {
    int fd; /* owned */
    bool block_device;
    uint64_t size;
    struct stat st;
};

#define LOCAL_FILE_INIT ((struct local_file){.fd = -1})

/* Opens an existing regular file or block device. Others are refused (unsupported)
 * without being opened: opening some devices has effects. Errors don't name the path. */
int local_open(const char *path, int flags, struct local_file *ret, struct err *err);
void local_close(struct local_file *file);
#define CLEANUP_LOCAL CLEANUP(local_close)

/* Creates a file (0600, read-write) that must not exist. */
int local_create(const char *path, struct local_file *ret, struct err *err);
/* Removes `path` if it still is the file that is open. */
void local_unlink(const char *path, const struct local_file *file);
/* True if `path` is still the file that is open. */
bool local_is(const char *path, const struct local_file *file);
/* Flushes the names in the folder that holds `path`. */
int local_sync_folder(const char *path, struct err *err);
/* False if the file system can't read or write around the page cache. */
bool local_can_direct(const char *path);
