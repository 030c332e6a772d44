/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * An archive open for writing (archive/archive.h says what that is). Backups are written as a
 * backup_set.
 */
#pragma once

#include "base/cleanup.h"
#include "base/parser.h"
#include "base/err.h"

struct archive_writer;

/* Makes the folder (0700) if it is missing; its parent must exist. Others may write to it at the
 * same time, except runs of earlier versions (busy). Finishes exchanges of dead writers and removes
 * what they left. Scratch files of earlier versions stay, with a warning that names them, because
 * one may be the only copy of a guest's memory. What cannot be cleaned up gives a warning too: it
 * concerns only one guest. */
int archive_writer_open(const char *path, const struct parser *parser, struct archive_writer **ret,
                        struct err *err);
/* If this writer made the folder and it is empty, the folder is removed. */
void archive_writer_close(struct archive_writer *archive);
DEFINE_CLEANUP(struct archive_writer *, archive_writer_closep, archive_writer_close)

/* The type of its file system if other hosts may not see this host's locks there; else NULL. The
 * caller frees. */
char *archive_writer_lone_file_system(const struct archive_writer *archive);

/* Only for the files in this directory. */
struct folder;
const struct folder *archive_writer_folder(const struct archive_writer *archive);
