/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * An archive open for writing (archive/archive.h says what one is). What is
 * written is a backup_set.
 */
#pragma once

#include "base/cleanup.h"
#include "base/err.h"

struct archive_writer;

/* Makes the folder (0700) if it is missing; its parent must exist. Others may write to
 * it meanwhile, but for runs of former versions (busy). Finishes exchanges of dead
 * writers and removes what they left, but for scratch files of
 * former versions: one may be the only copy
 * of a guest's memory, so a warning names it. What can't be put right is one guest's
 * matter: a warning. */
int archive_writer_open(const char *path, struct archive_writer **ret, struct err *err);
/* If the folder was made by this writer and is empty, it is removed again. */
void archive_writer_close(struct archive_writer *archive);
DEFINE_CLEANUP(struct archive_writer *, archive_writer_closep, archive_writer_close)
const char *archive_writer_path(const struct archive_writer *archive);

/* The type of its file system if other hosts may not see this one's locks there; else
 * NULL. The caller frees. */
char *archive_writer_lone_file_system(const struct archive_writer *archive);

/* For this folder's files only. */
struct folder;
const struct folder *archive_writer_folder(const struct archive_writer *archive);
