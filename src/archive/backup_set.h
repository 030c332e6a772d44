/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The files of one backup in progress: they have temporary names until they are committed together
 * with the manifest, or all removed. The archive's writer must outlive the set.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "record/manifest.h"
#include "record/seal.h"
#include "archive/writer.h"
#include "base/cleanup.h"
#include "base/err.h"

struct backup_set;

enum backup_set_replace {
    BACKUP_SET_KEEP,             /* only if the guest has no backup here */
    BACKUP_SET_REPLACE,          /* or if it has one that this host made */
    BACKUP_SET_REPLACE_ANY_HOST, /* or any other with the same UUID: the guest may have moved */
};

struct backup_set_request {
    const char *domain;
    const char *uuid;
    const char *host;      /* the one that makes the backup */
    const char *host_uuid; /* NULL: not known */
    const struct seal_key
        *key; /* the host's; a backup that it has sealed is this host's; NULL: none */
    enum backup_set_replace replace;
    uint64_t wait_ms; /* for another writer of the same guest; LOCK_FILE_FOREVER */
};

/* Takes the guest's lock in this archive (busy), and cleans up after a dead writer of the guest.
 * Refused: an existing backup of that guest without replace (exists); with replace, a backup of
 * another UUID or from another host (exists), or one whose manifest is damaged (corrupt) or newer
 * (unsupported); a name that the file system does not accept (unsupported). Other XML in the
 * manifest's place counts as a file that belongs to no backup: with replace it is replaced by
 * rename, else refused (exists). */
int backup_set_begin(struct archive_writer *archive, const struct backup_set_request *request,
                     struct backup_set **ret, struct err *err);
/* Refused as backup_set_create would refuse it, or because the file system does not accept the
 * name. This avoids reading data for a file that cannot be stored. */
int backup_set_expect(struct backup_set *set, const char *name, struct err *err);
/* Makes a new file that will be called `name`, one from archive/names.h; 0600, opened for reading
 * and writing. Refused (exists): the name belongs to the backup of another guest, or to no backup
 * and !replace. The descriptor belongs to the set until backup_set_commit or _abort. */
int backup_set_create(struct backup_set *set, const char *name, int *ret_fd, struct err *err);
/* Flushes all files, exchanges them and publishes the manifest, which must name exactly the set's
 * files with their sizes (internal if not). After a failure the previous backup, if any, is
 * complete and ours is gone. The exception is a folder that fails after some files have their new
 * names: then the error says that the next backup of the guest puts the others in place, and until
 * then readers find all of them. Frees the set in any case. */
int backup_set_commit(struct backup_set *set, const struct manifest *manifest, struct err *err);
/* Removes everything. Accepts NULL. */
void backup_set_abort(struct backup_set *set);
DEFINE_CLEANUP(struct backup_set *, backup_set_abortp, backup_set_abort)
