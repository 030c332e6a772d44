/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The files of one backup in the making: under temporary names until they are
 * committed together, with the manifest, or all removed. The archive's writer
 * must outlive the set.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "record/manifest.h"
#include "archive/writer.h"
#include "base/cleanup.h"
#include "base/err.h"

struct backup_set;

enum backup_set_replace {
    BACKUP_SET_KEEP,             /* the guest has no backup here */
    BACKUP_SET_REPLACE,          /* or one that this host has made */
    BACKUP_SET_REPLACE_ANY_HOST, /* or any other of the same UUID: it may have moved */
};

struct backup_set_request {
    const char *domain;
    const char *uuid;
    const char *host;      /* that makes the backup */
    const char *host_uuid; /* NULL: not known */
    enum backup_set_replace replace;
    uint64_t wait_ms; /* for another writer of the same guest; LOCK_FILE_FOREVER */
};

/* Takes the guest's lock in this archive (busy), and puts right what a dead writer of
 * the guest has left. Refused: a backup of that guest is there and !replace (exists);
 * with replace, one of another UUID or of another host (exists), one whose manifest is damaged (corrupt)
 * or newer (unsupported); a name that the file system does not take (unsupported).
 * Other XML in the manifest's place counts as a file that belongs to no backup:
 * replaced by rename only when replace, else refused (exists). */
int backup_set_begin(struct archive_writer *archive, const struct backup_set_request *request,
                     struct backup_set **ret, struct err *err);
/* Refused as backup_set_create would refuse it, or because the file system does not
 * take the name: so that nothing is read for a file that can't be stored. */
int backup_set_expect(struct backup_set *set, const char *name, struct err *err);
/* A new file that will be called `name`, one of archive/names.h; 0600, opened for
 * reading and writing. Refused (exists): the name belongs to the backup of another
 * guest, or to no backup and !replace. The descriptor belongs to the set until
 * backup_set_commit or _abort. */
int backup_set_create(struct backup_set *set, const char *name, int *ret_fd, struct err *err);
/* Throws away one file made by backup_set_create. */
int backup_set_drop(struct backup_set *set, const char *name, struct err *err);
/* Flushes all files, exchanges, publishes the manifest, which must name exactly
 * the set's files with their sizes (internal if not). On failure the former
 * backup, if any, is whole and ours is gone - unless the folder itself fails when
 * some files have their new names: then the error says that the next backup of the
 * guest puts the others in place; readers find all of them until then. Frees the set
 * either way. */
int backup_set_commit(struct backup_set *set, const struct manifest *manifest, struct err *err);
/* Removes everything. Accepts NULL. */
void backup_set_abort(struct backup_set *set);
DEFINE_CLEANUP(struct backup_set *, backup_set_abortp, backup_set_abort)
