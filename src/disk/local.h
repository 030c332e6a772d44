/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Internal to this folder: files and block devices of this host, opened only by absolute path. QEMU
 * could interpret a path that does not begin with '/' as something else ("json:...", "nbd:..."), so
 * no such path gets that far.
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
    int folder_fd; /* for a file made by local_create, the folder that contains it; owned */
    char *name;    /* in that folder; owned */
};

#define LOCAL_FILE_INIT ((struct local_file){.fd = -1, .folder_fd = -1})

/* Opens an existing regular file or block device. Others are refused (unsupported) without being
 * opened, because opening some devices has effects. Errors do not name the path. */
int local_open(const char *path, int flags, struct local_file *ret, struct err *err);
void local_close(struct local_file *file);
#define CLEANUP_LOCAL CLEANUP(local_close)

/* Creates a file (0600, read-write) that must not exist, with the last component of `path` as its
 * name, in that folder or, if that is -1, in the one that the path names. */
int local_create(const char *path, int folder_fd, struct local_file *ret, struct err *err);
/* The functions below are for such a file. True if its name still leads to it. */
bool local_is_in_place(const struct local_file *file);
/* Removes it if its name still leads to it. */
void local_unlink(const struct local_file *file);
/* Flushes the names in its folder. */
int local_sync_folder(const struct local_file *file, struct err *err);

/* False if the file system cannot read or write without the page cache. A path that is not absolute
 * is relative to that folder. */
bool local_can_direct(int folder_fd, const char *path);
