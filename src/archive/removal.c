/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/removal.h"

#include <string.h>

#include "archive/exchange.h"
#include "archive/names.h"
#include "archive/tidy.h"

static void describe_removal(const struct archive_backup *backup, struct exchange *exchange)
{
    const struct manifest *manifest = archive_backup_manifest(backup);
    const struct manifest_stored *stored;
    char key[ARCHIVE_KEY_SIZE];
    size_t cursor = 0;

    archive_guest_key(manifest->domain_name, key);
    exchange->journal = archive_journal_name(key);
    exchange->domain = mem_strdup(manifest->domain_name);
    memcpy(exchange->manifest_sha256, archive_backup_digest(backup), DIGEST_HEX_SIZE);
    while ((stored = manifest_next_stored(manifest, &cursor)))
        exchange_add_removal(exchange, stored->file.name);
}

static int remove_locked(const struct folder *folder, const struct archive_backup *backup,
                         struct err *err)
{
    CLEANUP_EXCHANGE struct exchange exchange = {0};
    CLEANUP_ERR struct err why = ERR_INIT;
    char key[ARCHIVE_KEY_SIZE];
    bool begun = false;

    describe_removal(backup, &exchange);
    if (tidy_guest(folder, exchange.domain, err) < 0)
        return -1;
    if (!archive_backup_is_current(backup))
        return err_set(err, ERR_BUSY, "%s: its backup was replaced or removed in the meantime",
                       folder->path);
    archive_guest_key(exchange.domain, key);
    CLEANUP_FREE char *temp = archive_part_name(key, "1");
    if (exchange_decide(folder, &exchange, temp, err) < 0)
        return -1;
    if (exchange_run(folder, &exchange, &begun, &why) == 0)
        return 0;
    if (begun || exchange_take_back(folder, &exchange, NULL) < 0)
        err_append(&why, "the backup is removed, but some of its files are left; the next run that "
                         "writes to this archive will remove them");
    return err_move(err, &why);
}

int removal_run(struct archive_writer *archive, const struct archive_backup *backup,
                uint64_t wait_ms, struct err *err)
{
    CLEANUP(lock_file_releasep) struct lock_file *lock = NULL;
    const struct folder *folder = archive_writer_folder(archive);

    if (tidy_lock(folder, archive_backup_manifest(backup)->domain_name, wait_ms, &lock, err) < 0)
        return -1;
    return remove_locked(folder, backup, err);
}
