/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The staging folder. What libvirt and QEMU open by path (memory images), and what is decoded from
 * it, is kept here until it is stored or resumed from. libvirt opens files as root, by path and
 * through symbolic links: whoever can rename something along the path chooses which file is
 * overwritten, or reads a guest's memory. So staging never uses the destination itself, but a
 * folder of our own for each guest, mode 0700, below a folder that only root (in a session: the
 * user) can change, and the same holds for all folders above it.
 *
 * A file in it that is the only copy of a guest's memory is kept: see staging_keep.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/err.h"

struct staging_request {
    const char *path;        /* --staging-path; NULL: the usual folder or, if that has no room, the
                              * destination */
    const char *usual;       /* made if missing, but only its last part */
    const char *destination; /* NULL: none */
    const char *uuid;        /* the guest's; its lock is held */
    uint64_t needed;         /* bytes */
};

struct staging;

/* Chooses the place, but makes nothing in it yet. Refused, with the option's name in the message: a
 * place that others can change (denied), a place without enough room (no space). */
int staging_open(const struct staging_request *request, struct staging **ret, struct err *err);
/* Whether staging_open would find a place, by the same rules; makes nothing. */
int staging_check(const struct staging_request *request, struct err *err);
/* Removes the guest's folder unless a file in it is kept. Accepts NULL. */
void staging_close(struct staging *staging);
DEFINE_CLEANUP(struct staging *, staging_closep, staging_close)

/* An absolute path for the guest's memory image, where nothing exists yet; the same path each time.
 * Borrowed. */
const char *staging_memory_path(const struct staging *staging);
/* The guest's folder, which contains that path. Borrowed. */
const char *staging_folder(const struct staging *staging);
/* Makes the guest's folder, so that a file can be made at that path. Note it in the journal first:
 * staging_remove removes the folder too. */
int staging_make(struct staging *staging, struct err *err);
/* A new file without a name, for reading and writing; the caller closes it. */
int staging_nameless(const struct staging *staging, int *ret_fd, struct err *err);

/* Opens a file that somebody else made at `path`, for reading. Refused (corrupt): a symbolic link,
 * or anything but a regular file. */
int staging_open_file(const char *path, int *ret_fd, struct err *err);
/* Flushes the file that somebody else made, and the folders that we may have made for it, so that
 * the disk holds what we see. */
int staging_flush(const char *path, struct err *err);
/* Removes the file if it exists, and the guest's folder if that is empty. -1: the file is still
 * there. */
int staging_remove(const char *path, struct err *err);
/* True for the path of a folder that staging_make makes for this guest. */
bool staging_is_own(const char *folder, const char *uuid);
/* Renames the file after the guest, to a name that no clean-up takes for a leftover. The caller
 * frees. Returns the old path if the file could not be renamed. */
char *staging_keep(const char *path, const char *guest);

/* Refused (denied): a folder that anyone but root, this user and user `also` (-1: nobody) owns or
 * can write to, or a folder below such a one. Above the folder, a folder where only owners remove
 * files (sticky) is accepted. *ret: its path without symbolic links; the caller frees. */
int staging_check_hands(const char *path, uid_t also, char **ret, struct err *err);
