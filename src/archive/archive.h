/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * An archive: a folder that holds backups of guests, at most one of each name.
 * Only a manifest makes a backup: files are written under temporary names,
 * flushed and renamed, the manifest last. --replace exchanges two sets through
 * a redo journal, and a crash in the exchange is finished or undone when the
 * archive is next opened for writing (readers refuse until then, busy, unless
 * they can open it for writing themselves).
 *
 * An open archive holds a kernel lock on its folder: exclusive for writing,
 * shared for reading (busy if it can't be had). Nothing is left in the folder.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive/manifest.h"
#include "base/cleanup.h"
#include "base/err.h"

/* ---- names ---------------------------------------------------------------- */

/* "<domain>.xml", "<domain>.sav", "<domain>-<target>.raw[.xz|.zst]",
 * "<domain>-nvram.<suffix>"... Refused (unsupported): a domain or target with
 * '/', a NUL or a control character, or a name longer than the file system takes.
 * The caller frees. */
char *archive_manifest_name(const char *domain, struct err *err);
char *archive_memory_name(const char *domain, struct err *err);
char *archive_disk_name(const char *domain, const char *target, enum codec_type codec,
                        struct err *err);
char *archive_extra_name(const char *domain, const char *kind, struct err *err);
/* 0 if `name` may be a stored file's name, else corrupt: empty, ".", "..", '/',
 * control characters, one of our temporary names, too long. */
int archive_check_name(const char *name, struct err *err);

/* ---- reading -------------------------------------------------------------- */

struct archive_reader;

int archive_reader_open(const char *path, struct archive_reader **ret, struct err *err);
void archive_reader_close(struct archive_reader *archive);
DEFINE_CLEANUP(struct archive_reader *, archive_reader_closep, archive_reader_close)
const char *archive_reader_path(const struct archive_reader *archive);

/* Names of the guests whose manifest is there, sorted; the caller frees with
 * archive_names_free. A file that ends in .xml and is not a manifest of ours is
 * not listed, a damaged manifest of ours is. */
int archive_reader_list(struct archive_reader *archive, char ***ret_names, size_t *ret_count,
                        struct err *err);
void archive_names_free(char **names, size_t count);

int archive_reader_manifest(struct archive_reader *archive, const char *domain,
                            struct manifest **ret, struct err *err);
/* Opens a stored file read-only, without following links, checks its size
 * (corrupt: "is 17 bytes long, the manifest says 20"; missing: not found). */
int archive_reader_open_file(struct archive_reader *archive, const struct manifest_stored *stored,
                             int *ret_fd, struct err *err);

/* ---- writing -------------------------------------------------------------- */

struct archive_writer;

/* Makes the folder (0700) if it is missing; its parent must exist. Finishes or
 * undoes an interrupted exchange and removes what dead runs left. */
int archive_writer_open(const char *path, struct archive_writer **ret, struct err *err);
/* If the folder was made by this writer and is empty, it is removed again. */
void archive_writer_close(struct archive_writer *archive);
DEFINE_CLEANUP(struct archive_writer *, archive_writer_closep, archive_writer_close)
const char *archive_writer_path(const struct archive_writer *archive);
int archive_writer_free_space(struct archive_writer *archive, uint64_t *ret_bytes, struct err *err);

/* The files of one backup in the making. */
struct backup_set;

/* Refused: a backup of that guest is there and !replace (exists); with replace,
 * one of another UUID (exists); files of those names that belong to no backup
 * are replaced by rename only when replace, else refused (exists). */
int backup_set_begin(struct archive_writer *archive, const char *domain, const char *uuid,
                     bool replace, struct backup_set **ret, struct err *err);
/* A new file that will be called `name`; 0600, opened for reading and writing.
 * The descriptor belongs to the set until backup_set_commit or _abort. */
int backup_set_create(struct backup_set *set, const char *name, int *ret_fd, struct err *err);
/* A path for a scratch file that somebody else (libvirt) creates in the archive's
 * folder and that is removed with the set; borrowed from the set. */
const char *backup_set_scratch_path(struct backup_set *set, const char *purpose);
/* Throws away one file made by backup_set_create. */
int backup_set_drop(struct backup_set *set, const char *name, struct err *err);
/* Flushes all files, exchanges, publishes the manifest. On failure the former
 * backup, if any, is whole and ours is gone. Frees the set either way. */
int backup_set_commit(struct backup_set *set, const struct manifest *manifest, struct err *err);
/* Removes everything. Accepts NULL. */
void backup_set_abort(struct backup_set *set);
DEFINE_CLEANUP(struct backup_set *, backup_set_abortp, backup_set_abort)
