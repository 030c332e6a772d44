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
    int folder_fd; /* of a file that local_create has made, the folder that holds it; owned */
    char *name;    /* in that folder; owned */
};

#define LOCAL_FILE_INIT ((struct local_file){.fd = -1, .folder_fd = -1})

/* Opens an existing regular file or block device. Others are refused (unsupported)
 * without being opened: opening some devices has effects. Errors don't name the path. */
int local_open(const char *path, int flags, struct local_file *ret, struct err *err);
void local_close(struct local_file *file);
#define CLEANUP_LOCAL CLEANUP(local_close)

/* Creates a file (0600, read-write) that must not exist, under the last part of `path`, in that
 * folder, or, if it is -1, in the one that the path names. */
int local_create(const char *path, int folder_fd, struct local_file *ret, struct err *err);
/* What follows is for such a file. True if its name still leads to it. */
bool local_is_in_place(const struct local_file *file);
/* Removes it if it is in its place. */
void local_unlink(const struct local_file *file);
/* Flushes the names in its folder. */
int local_sync_folder(const struct local_file *file, struct err *err);

/* False if the file system can't read or write around the page cache. A path that is not
 * absolute is one in that folder. */
bool local_can_direct(int folder_fd, const char *path);
