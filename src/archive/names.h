/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The names of files in an archive, all of them:
 *   <domain>.xml                        the manifest
 *   <domain>.sav                        memory, a libvirt save image
 *   <domain>-<target>.raw[.xz|.zst]     the image of one disk
 *   <domain>-nvram.fd, <domain>-tpm.state
 *   .virt-backup-...                    this program's temporary files and its journal
 * Every file but the manifest can be told to belong to a guest by its name alone.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "codec/codec.h"
#include "record/manifest.h"

#define ARCHIVE_NAME_MAX 255 /* what Linux file systems take */
#define ARCHIVE_MANIFEST_SUFFIX ".xml"

/* Refused (unsupported): a domain or target that is empty, is not UTF-8, holds
 * '/' or a control character, looks like one of our temporary names, or makes a
 * name longer than ARCHIVE_NAME_MAX. The caller frees; NULL on failure. */
char *archive_manifest_name(const char *domain, struct err *err);
char *archive_memory_name(const char *domain, struct err *err);
char *archive_disk_name(const char *domain, const char *target, enum codec_type codec,
                        struct err *err);
/* kind: "nvram" or "tpm". */
char *archive_extra_name(const char *domain, const char *kind, struct err *err);

/* 0 if `name` may be a stored file's name, else corrupt: empty, ".", "..", '/',
 * control characters, not UTF-8, one of our temporary names, too long. */
int archive_check_name(const char *name, struct err *err);
/* As archive_check_name, and the name is one that a backup of `domain` may have
 * for a file other than its manifest. So a manifest can't lay claim to another
 * guest's manifest, whatever it says. */
int archive_check_owned_name(const char *domain, const char *name, struct err *err);

/* 0 if the manifest's guest has a name that files here can carry, and each stored file a
 * name that may be one of its files, no two the same; else corrupt. */
int archive_check_manifest(const struct manifest *manifest, struct err *err);

/* ---- temporary names, for this folder ---------------------------------------- */

#define ARCHIVE_OWN_PREFIX ".virt-backup-"
#define ARCHIVE_TEMP_ID_SIZE 17 /* 16 hexadecimal digits and a NUL */

/* What a dead run has left under such a name: */
enum archive_temp {
    ARCHIVE_TEMP_NONE,    /* not a temporary name */
    ARCHIVE_TEMP_PART,    /* half a backup: worth nothing */
    ARCHIVE_TEMP_SCRATCH, /* may be the only copy of a guest's memory */
};

int archive_temp_id(char ret_id[static ARCHIVE_TEMP_ID_SIZE], struct err *err);
/* ".virt-backup-<id>.<what>.part" or ".scratch"; what: letters, digits, '-'. */
char *archive_temp_name(const char *id, const char *what, enum archive_temp kind);
enum archive_temp archive_temp_kind(const char *name);
