/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reading an archive (archive/archive.h says what one is).
 */
#pragma once

#include <stddef.h>

#include "record/manifest.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/strings.h"

struct archive_reader;

/* Takes no lock and writes nothing. An exchange that was interrupted is told of, in a
 * warning, and read past: see archive/backup.h. */
int archive_reader_open(const char *path, struct archive_reader **ret, struct err *err);
void archive_reader_close(struct archive_reader *archive);
DEFINE_CLEANUP(struct archive_reader *, archive_reader_closep, archive_reader_close)
const char *archive_reader_path(const struct archive_reader *archive);

/* Names of the guests that have a backup here, sorted; the caller frees with
 * archive_names_free. One whose manifest has not got its name yet is listed, one that
 * is being removed is not. Whole XML that is not a manifest of ours is not listed, nor
 * what is not a regular file. A damaged manifest is listed, and any *.xml that is
 * not XML at all with it: nobody can tell any more whose it was. */
int archive_reader_list(struct archive_reader *archive, char ***ret_names, size_t *ret_count,
                        struct err *err);
void archive_names_free(char **names, size_t count);

/* Appends the names of files that look like those of a backup and that no manifest
 * names: the backup whose they were can't be restored. One that nobody can tell, because
 * a manifest that may name it is damaged, is not among them. */
int archive_reader_orphans(struct archive_reader *archive, struct strings *names, struct err *err);

/* For this folder's files only. */
struct folder;
const struct folder *archive_reader_folder(const struct archive_reader *archive);
