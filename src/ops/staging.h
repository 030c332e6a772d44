/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The staging folder: what libvirt and QEMU open by path - memory images - and what is
 * decoded from it lies here until it is stored, or resumed from. libvirt opens files as root, by
 * their path and through symbolic links: who may rename something on the way there
 * chooses which file is overwritten, or reads a guest's memory. So it is never the
 * destination as such, but a folder of our own for each guest, mode 0700, below one that
 * nobody but root (in a session: the user) can change, nor any folder above it.
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
    const char *path;        /* --staging-path; NULL: the usual folder, or if there is no room
                              * in that, the destination */
    const char *usual;       /* made if it is missing; only its last part */
    const char *destination; /* NULL: there is none */
    const char *uuid;        /* the guest's; its lock is held */
    uint64_t needed;         /* bytes */
};

struct staging;

/* Chooses the place, and makes nothing in it yet. Refused, with the option's name in the
 * message: a place that others can change (denied), one that lacks room (no space). */
int staging_open(const struct staging_request *request, struct staging **ret, struct err *err);
/* Removes the guest's folder unless something is kept in it. Accepts NULL. */
void staging_close(struct staging *staging);
DEFINE_CLEANUP(struct staging *, staging_closep, staging_close)

/* An absolute path for the guest's memory image, under which nothing is; the same each
 * time. Borrowed. */
const char *staging_memory_path(const struct staging *staging);
/* The guest's folder, in which that lies. Borrowed. */
const char *staging_folder(const struct staging *staging);
/* Makes the guest's folder, so that a file can be made at that path. To be noted in the
 * journal before: staging_remove takes the folder away too. */
int staging_make(struct staging *staging, struct err *err);
/* A new file without a name, for reading and writing; the caller closes it. */
int staging_nameless(const struct staging *staging, int *ret_fd, struct err *err);

/* Opens a file that somebody else has made at `path`, for reading; refused (corrupt): a
 * symbolic link, or what is no regular file. */
int staging_open_file(const char *path, int *ret_fd, struct err *err);
/* Flushes the file that somebody else has made, and the folders that we may have made
 * for it: what is on the disk then is what we see. */
int staging_flush(const char *path, struct err *err);
/* Removes the file, if it is there, and the guest's folder if that is empty. */
void staging_remove(const char *path);
/* True of the path of a folder that staging_make makes for this guest. */
bool staging_is_own(const char *folder, const char *uuid);
/* Gives the file a name that no clean-up takes for a left-over, after the guest's name.
 * The caller frees; the old path if it could not be renamed. */
char *staging_keep(const char *path, const char *guest);

/* Refused (denied): a folder that somebody else than root, this user and user `also` (-1:
 * nobody) owns or can write to, or one with such a folder above it; above it one is good
 * in which only owners remove files (sticky). *ret: its path without symbolic links; the
 * caller frees. */
int staging_check_hands(const char *path, uid_t also, char **ret, struct err *err);
