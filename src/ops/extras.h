/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Small files that belong to a guest beside its disks: the NVRAM of a UEFI guest.
 * Stored uncompressed.
 */
#pragma once

#include "archive/archive.h"
#include "archive/manifest.h"
#include "base/err.h"

/* Larger ones are refused: no firmware has such. */
#define EXTRA_MAX_SIZE (UINT64_C(64) << 20)

/* Stores the file at `path` as an extra of the manifest. A file that does not
 * exist is passed over: libvirt makes the NVRAM at the first start. */
int extras_store(struct backup_set *set, struct manifest *manifest, const char *kind,
                 const char *path, const char *format, struct err *err);

/* Checks a stored extra (corrupt), and writes it to a new file at `path` unless
 * that is NULL; an existing file is refused (exists). Owner, mode and context are
 * the caller's. */
int extras_restore(struct archive_reader *archive, const struct manifest_extra *extra,
                   const char *path, struct err *err);
