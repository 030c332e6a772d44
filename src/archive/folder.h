/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The open folder of an archive: what its readers, its writers and the exchange have in common.
 * Only for the files in this directory. Errors name the path.
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
    char *path;                  /* as the user gave it; owned */
    int fd;                      /* owned */
    const struct parser *parser; /* of manifests; borrowed; NULL: this process parses */
};

#define FOLDER_INIT ((struct folder){.fd = -1})

int folder_open(const char *path, const struct parser *parser, struct folder *ret, struct err *err);
void folder_clear(struct folder *folder);
#define CLEANUP_FOLDER CLEANUP(folder_clear)

/* Prefixes an error with "PATH/NAME: ". Returns -1. */
int folder_prefix(const struct folder *folder, const char *name, struct err *err);

/* Examines what has that name, not following a symbolic link; *ret_there false: nothing. */
int folder_stat(const struct folder *folder, const char *name, bool *ret_there, struct stat *ret_st,
                struct err *err);

/* Flushes its names to disk. */
int folder_flush(const struct folder *folder, struct err *err);

/* Appends all names in the folder (base/dir.h). */
int folder_names(const struct folder *folder, struct strings *names, struct err *err);

/* Reads the manifest of `domain` from the file `name`, by a parser that has parsed no other. Not found: there is no such file, or it is
 * other XML. Corrupt or unsupported as for manifest_read; also corrupt if it is the manifest of a
 * guest of another name, or names files that cannot be its own. sha256: of the whole file; NULL:
 * not wanted. */
int folder_manifest(const struct folder *folder, const char *name, const char *domain,
                    struct manifest **ret, char ret_sha256[DIGEST_HEX_SIZE], struct err *err);
/* False if folder_manifest would say "not found"; checks nothing else. A file that cannot be read
 * may be a manifest. */
bool folder_may_be_manifest(const struct folder *folder, const char *name);
/* SHA-256 of a manifest's file, whatever its contents; "" if there is no such file. */
int folder_manifest_digest(const struct folder *folder, const char *name,
                           char ret_sha256[static DIGEST_HEX_SIZE], struct err *err);

/* Refused (unsupported): the file system does not accept a file of that name, or takes the name for
 * that of an existing file that is spelled differently, for example in capitals. Makes and removes
 * an empty file under archive_try_name(key, name). */
int folder_try_name(const struct folder *folder, const char *key, const char *name,
                    struct err *err);
