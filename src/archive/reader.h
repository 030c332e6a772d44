/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Reading an archive (archive/archive.h says what one is).
 */
#pragma once

#include <stddef.h>

#include "record/manifest.h"
#include "base/cleanup.h"
#include "base/err.h"

struct archive_reader;

/* An exchange that was interrupted is finished first; where that is not possible
 * the archive is busy, and the error says how to go on. */
int archive_reader_open(const char *path, struct archive_reader **ret, struct err *err);
void archive_reader_close(struct archive_reader *archive);
DEFINE_CLEANUP(struct archive_reader *, archive_reader_closep, archive_reader_close)
const char *archive_reader_path(const struct archive_reader *archive);

/* Names of the guests whose manifest is there, sorted; the caller frees with
 * archive_names_free. Whole XML that is not a manifest of ours is not listed, nor
 * what is not a regular file. A damaged manifest is listed, and any *.xml that is
 * not XML at all with it: nobody can tell any more whose it was. */
int archive_reader_list(struct archive_reader *archive, char ***ret_names, size_t *ret_count,
                        struct err *err);
void archive_names_free(char **names, size_t count);

/* As manifest_parse; corrupt too when the manifest is another guest's. */
int archive_reader_manifest(struct archive_reader *archive, const char *domain,
                            struct manifest **ret, struct err *err);
/* Opens a stored file read-only, without following links, checks its size
 * (corrupt: "is 17 bytes long, the manifest says 20"; missing: not found). */
int archive_reader_open_file(struct archive_reader *archive, const struct manifest_stored *stored,
                             int *ret_fd, struct err *err);
