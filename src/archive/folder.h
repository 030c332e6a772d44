/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The folder of an archive, open: what its readers, its writers and the exchange
 * have in common. For this folder's files only. Errors name the path.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "record/manifest.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/strings.h"

struct folder {
    char *path; /* as the user gave it; owned */
    int fd;     /* owned */
};

#define FOLDER_INIT ((struct folder){.fd = -1})

int folder_open(const char *path, struct folder *ret, struct err *err);
void folder_clear(struct folder *folder);
#define CLEANUP_FOLDER CLEANUP(folder_clear)

/* Puts "PATH/NAME: " in front of an error. Returns -1. */
int folder_prefix(const struct folder *folder, const char *name, struct err *err);

/* What is under that name, a symbolic link not followed; *ret_there false: nothing. */
int folder_stat(const struct folder *folder, const char *name, bool *ret_there, struct stat *ret_st,
                struct err *err);

/* Appends all names in the folder (base/dir.h). */
int folder_names(const struct folder *folder, struct strings *names, struct err *err);

/* The manifest in the file `name`, which is that of `domain`: not found when there is
 * no such file or when it is other XML, corrupt or unsupported as manifest_parse says,
 * corrupt too when it is the manifest of a guest of another name, or names files that
 * can't be its own. sha256: of the whole file; NULL: not wanted. */
int folder_manifest(const struct folder *folder, const char *name, const char *domain,
                    struct manifest **ret, char ret_sha256[DIGEST_HEX_SIZE], struct err *err);
/* False if folder_manifest would say "not found"; nothing is checked. What can't be read
 * may be one. */
bool folder_may_be_manifest(const struct folder *folder, const char *name);
/* SHA-256 of a manifest's file, whatever is in it; "" if there is no such file. */
int folder_manifest_digest(const struct folder *folder, const char *name,
                           char ret_sha256[static DIGEST_HEX_SIZE], struct err *err);

/* Refused: the file system takes no file of that name, or takes the name for that of
 * a file whose name is written otherwise (unsupported), in capitals perhaps. Makes and
 * removes an empty file under archive_try_name(key, name). */
int folder_try_name(const struct folder *folder, const char *key, const char *name,
                    struct err *err);
