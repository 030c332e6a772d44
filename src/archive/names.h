/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The names of files in an archive, all of them:
 *   <domain>.xml                        the manifest
 *   <domain>.sav                        memory, a libvirt save image
 *   <domain>-<target>.raw[.xz|.zst]     the image of one disk
 *   <domain>-nvram.fd, <domain>-tpm.state
 *   .virt-backup-...                    this program's own: temporary files, locks, journals
 * For every file except the manifest the name alone can show that it belongs to a guest.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "codec/codec.h"
#include "record/manifest.h"

#define ARCHIVE_NAME_MAX 255 /* the limit of Linux file systems */
#define ARCHIVE_MANIFEST_SUFFIX ".xml"

/* Refused (unsupported): a domain or target that is empty, is not UTF-8, holds
 * '/' or a control character, looks like one of our temporary names, or makes a
 * name longer than ARCHIVE_NAME_MAX. The caller frees; NULL on failure. */
char *archive_manifest_name(const char *domain, struct err *err);
char *archive_memory_name(const char *domain, struct err *err);
char *archive_disk_name(const char *domain, const char *target, enum codec_type codec,
                        struct err *err);
char *archive_extra_name(const char *domain, enum manifest_extra_kind kind, struct err *err);

/* 0 if `name` may be the name of a stored file, else corrupt: empty, ".", "..", '/',
 * control characters, not UTF-8, one of our temporary names, too long. */
int archive_check_name(const char *name, struct err *err);
/* As archive_check_name; also checks that a backup of `domain` may have a file of that name,
 * other than its manifest. So a manifest can never claim another guest's manifest. */
int archive_check_owned_name(const char *domain, const char *name, struct err *err);

/* 0 if files here can carry the name of the manifest's guest, each stored file has a name that
 * the guest's files may have, and no two names are the same; else corrupt. */
int archive_check_manifest(const struct manifest *manifest, struct err *err);

/* ---- names of our own, for this folder ---------------------------------------- */

#define ARCHIVE_OWN_PREFIX ".virt-backup-"
#define ARCHIVE_KEY_SIZE 17 /* 16 hexadecimal digits and a NUL */
/* Earlier versions had this single journal per archive. */
#define ARCHIVE_FORMER_JOURNAL ".virt-backup-exchange"

/* What a name of our own stands for; the key in it says which guest's. */
enum archive_own {
    ARCHIVE_OWN_NONE,    /* not such a name */
    ARCHIVE_OWN_PART,    /* part of a backup: worthless without its writer or a journal */
    ARCHIVE_OWN_SCRATCH, /* of earlier versions; may be the only copy of a guest's memory */
    ARCHIVE_OWN_LOCK,
    ARCHIVE_OWN_JOURNAL,
};

/* The guest's key: derived from its name, which may be too long to be part of another name. */
void archive_guest_key(const char *domain, char ret_key[static ARCHIVE_KEY_SIZE]);
/* ".virt-backup-<key>.<what>.part"; what: up to 32 of [a-z0-9-]. */
char *archive_part_name(const char *key, const char *what);
/* A temporary name with everything that a file system may object to in `name`. */
char *archive_try_name(const char *key, const char *name);
char *archive_lock_name(const char *key);
char *archive_journal_name(const char *key);
/* *ret_key (may be NULL) is set, except for ARCHIVE_OWN_NONE and the earlier versions' journal. */
enum archive_own archive_own_kind(const char *name, char ret_key[ARCHIVE_KEY_SIZE]);
