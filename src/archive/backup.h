/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One backup in an archive, open for reading. Its files are kept open from the beginning, so if the
 * backup is replaced or removed meanwhile, what is read is still the backup that was opened.
 * Nothing is locked or written: a read-only archive is sufficient, and no writer has to wait.
 */
#pragma once

#include <stdbool.h>

#include "archive/reader.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "record/manifest.h"

struct archive_backup;

/* Opens the manifest of `domain` and all its files, which belong to the same backup: if a writer
 * exchanges them meanwhile, tries again. An interrupted exchange is no obstacle: its journal says
 * where the files are. Fails as manifest_read does; also corrupt if the manifest is another
 * guest's. A file that is missing or cannot be opened is not an error yet. The reader must outlive
 * the backup. */
int archive_backup_open(struct archive_reader *archive, const char *domain,
                        struct archive_backup **ret, struct err *err);
void archive_backup_close(struct archive_backup *backup);
DEFINE_CLEANUP(struct archive_backup *, archive_backup_closep, archive_backup_close)

/* Both are borrowed from the backup. */
const struct manifest *archive_backup_manifest(const struct archive_backup *backup);

/* SHA-256 of the manifest's file, which identifies the backup. */
const char *archive_backup_digest(const struct archive_backup *backup);

/* A descriptor of a stored file of the manifest, for reading by offset; the caller closes it.
 * Missing: not found. Symbolic links are not followed. Of another size than in the manifest ("is 17
 * bytes long, the manifest says 20"): corrupt. */
int archive_backup_open_file(const struct archive_backup *backup,
                             const struct manifest_stored *stored, int *ret_fd, struct err *err);

/* False if the archive now holds another backup of this guest, or none: errors since then need not
 * be damage. */
bool archive_backup_is_current(const struct archive_backup *backup);
