/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reads an archive (archive/archive.h says what that is).
 */
#pragma once

#include <stddef.h>

#include "record/manifest.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/strings.h"

struct archive_reader;

/* Takes no lock and writes nothing. An interrupted exchange is reported in a warning, but does not
 * prevent reading: see archive/backup.h. Manifests are read by the parser (NULL: by this process),
 * which must outlive the reader. */
int archive_reader_open(const char *path, const struct parser *parser, struct archive_reader **ret,
                        struct err *err);
void archive_reader_close(struct archive_reader *archive);
DEFINE_CLEANUP(struct archive_reader *, archive_reader_closep, archive_reader_close)

/* Appends the names of the guests that have a backup here, sorted. A backup whose manifest does not
 * have its name yet is listed; one that is being removed is not. Intact XML that is not a manifest
 * of ours is not listed, nor anything but regular files. A damaged manifest is listed, and so is
 * any *.xml that is not XML at all, because nobody can tell whose it was. */
int archive_reader_list(struct archive_reader *archive, struct strings *ret, struct err *err);

/* Appends the names of files that look like part of a backup but that no manifest names: the backup
 * they belong to cannot be restored. Leaves out files that a damaged manifest may name. */
int archive_reader_orphans(struct archive_reader *archive, struct strings *names, struct err *err);

/* Only for the files in this directory. */
struct folder;
const struct folder *archive_reader_folder(const struct archive_reader *archive);
