/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Whole reads and writes on descriptors, opening files without leaving their folder, and the one
 * way to make a file durable. Errors do not name the file: the caller knows it and adds a prefix.
 *
 * All calls block (the descriptor must be blocking), continue after EINTR, and treat a read shorter
 * than len as an error unless noted otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

int io_write(int fd, const void *data, size_t len, struct err *err);
int io_pread(int fd, void *data, size_t len, uint64_t offset, struct err *err);
int io_pwrite(int fd, const void *data, size_t len, uint64_t offset, struct err *err);
/* Reads up to len bytes; fewer only at the end of the file. */
int io_read_some(int fd, void *data, size_t len, size_t *ret_len, struct err *err);
int io_pread_some(int fd, void *data, size_t len, uint64_t offset, size_t *ret_len,
                  struct err *err);

/* Reads the whole of a small file: refused (corrupt) if it is larger than max. The caller frees
 * *ret_data, which has a NUL after its last byte. */
int io_read_file(int dir_fd, const char *name, size_t max, char **ret_data, size_t *ret_len,
                 struct err *err);

/* The same of a file that the kernel makes up, such as those in /proc, and does not tell the size of. */
int io_read_made_up(const char *path, size_t max, char **ret_text, struct err *err);

/* Opens `name` in the folder dir_fd. Refused: a name with '/', a symbolic link as its last
 * component, anything but a regular file. O_CLOEXEC is added. */
int io_open_in(int dir_fd, const char *name, int flags, mode_t mode, int *ret_fd, struct err *err);
/* Opens a folder (without O_PATH, so it can be listed and synced). */
int io_open_dir(const char *path, int *ret_fd, struct err *err);

/* True if all bytes are zero. */
bool io_is_zero(const void *data, size_t len);

/* Publishes a file durably, in separate steps so that a set of files can be synced
 * before the first of them is renamed:
 *   io_sync       flush one file's data and size
 *   io_rename     rename within one folder; an existing `to` is refused
 *                 (exists) unless replace
 *   io_sync_dir   flush the folder's names
 * After a failed flush the file must be discarded: the kernel has marked the pages
 * clean, so a second fsync would succeed and prove nothing. */
int io_sync(int fd, struct err *err);
int io_rename(int dir_fd, const char *from, const char *to, bool replace, struct err *err);
int io_sync_dir(int dir_fd, struct err *err);
/* The folder that contains `path`, which is absolute. */
int io_sync_folder_of(const char *path, struct err *err);

struct io_file {
    const char *name;
    const void *data;
    size_t len;
    mode_t mode;
    bool replace; /* an existing file of that name */
};

/* Writes a small file under a temporary name, flushes and renames it. */
int io_publish(int dir_fd, const struct io_file *file, struct err *err);

/* Bytes that an unprivileged user can still write to the file system. */
int io_free_space(int fd, uint64_t *ret_bytes, struct err *err);
