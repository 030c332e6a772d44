/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The folder of an archive, open and locked: what its readers, its writers and
 * the exchange have in common. For this folder's files only. Errors name the
 * path.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "record/manifest.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/strings.h"

struct folder {
    char *path; /* as the user gave it; owned */
    int fd;     /* holds the lock; owned */
};

#define FOLDER_INIT ((struct folder){.fd = -1})

/* Takes a kernel lock on the folder, which must exist: exclusive or shared; busy
 * if another process holds one that excludes it. A file system that has no such
 * locks is used without, with a warning. */
int folder_open(const char *path, bool exclusive, struct folder *ret, struct err *err);
void folder_clear(struct folder *folder);
#define CLEANUP_FOLDER CLEANUP(folder_clear)

/* Puts "PATH/NAME: " in front of an error. Returns -1. */
int folder_prefix(const struct folder *folder, const char *name, struct err *err);

/* What is under that name, a symbolic link not followed; *ret_there false: nothing. */
int folder_stat(const struct folder *folder, const char *name, bool *ret_there, struct stat *ret_st,
                struct err *err);

/* Appends all names in the folder (base/dir.h). */
int folder_names(const struct folder *folder, struct strings *names, struct err *err);

/* The manifest of `domain`: not found when there is no such file or when it is
 * other XML, corrupt or unsupported as manifest_parse says, corrupt too when it
 * is the manifest of a guest of another name, or names files that can't be its own. */
int folder_manifest(const struct folder *folder, const char *domain, struct manifest **ret,
                    struct err *err);

/* True if the manifest of another guest than `domain` claims the file. A manifest
 * that can't be read claims every name that it could. */
int folder_claimed(const struct folder *folder, const char *domain, const char *name,
                   bool *ret_claimed, struct err *err);
