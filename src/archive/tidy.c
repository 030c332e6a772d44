/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/tidy.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "archive/exchange.h"
#include "archive/names.h"
#include "base/log.h"
#include "base/shell.h"

static const char interrupted[] = "a backup was interrupted while its files were being put in "
                                  "place, and this cannot be finished; see INTERRUPTED BACKUPS in "
                                  "virt-backup-archive(5)";

/* Gives 0 and NULL if the file system has no locks. */
static int lock_key(const struct folder *folder, const char *key, uint64_t wait_ms,
                    struct lock_file **ret, struct err *err)
{
    CLEANUP_FREE char *name = archive_lock_name(key);
    CLEANUP_ERR struct err why = ERR_INIT;

    *ret = NULL;
    if (lock_file_take(folder->fd, name, wait_ms, ret, &why) == 0)
        return 0;
    if (why.kind == ERR_UNSUPPORTED) {
        log_warn("%s: the file system does not support locks (%s); make sure that only one "
                 "virt-backup writes to this archive",
                 folder->path, why.text);
        return 0;
    }
    err_move(err, &why);
    return err_prefix(err, "%s", folder->path);
}

int tidy_lock(const struct folder *folder, const char *domain, uint64_t wait_ms,
              struct lock_file **ret, struct err *err)
{
    char key[ARCHIVE_KEY_SIZE];

    archive_guest_key(domain, key);
    return lock_key(folder, key, wait_ms, ret, err);
}

/* ---- exchanges of dead writers --------------------------------------------------- */

static int finish_exchange(const struct folder *folder, const struct exchange *exchange,
                           bool *ret_begun, struct err *err)
{
    if (exchange_run(folder, exchange, ret_begun, err) == 0)
        return 0;
    return err_append(err, "%s", interrupted);
}

/* Finishes the exchange unless its writer is still at work. */
static void finish_abandoned(const struct folder *folder, const char *journal)
{
    CLEANUP(lock_file_releasep) struct lock_file *lock = NULL;
    CLEANUP_EXCHANGE struct exchange exchange = {0};
    CLEANUP_EXCHANGE struct exchange still = {0};
    CLEANUP_ERR struct err err = ERR_INIT;
    bool begun = false;
    bool there = false;

    int result = exchange_load(folder, journal, &exchange, &there, &err);
    if (result == 0 && there) {
        if (tidy_lock(folder, exchange.domain, 0, &lock, NULL) < 0)
            return;
        /* Its writer may have finished it in the meantime. */
        result = exchange_load(folder, journal, &still, &there, &err);
        if (result == 0 && there)
            result = finish_exchange(folder, &still, &begun, &err);
    }
    if (result < 0)
        log_warn_guest(exchange.domain, "%s", err.text);
}

/* ---- temporary files of dead writers ----------------------------------------------- */

/* The journal of earlier versions names files that do not have a guest's key. */
static bool former_journal_needs(const struct folder *folder, const char *name)
{
    CLEANUP_EXCHANGE struct exchange exchange = {0};
    bool there = false;

    if (exchange_load(folder, ARCHIVE_FORMER_JOURNAL, &exchange, &there, NULL) < 0)
        return true; /* it is damaged, and may need any of them */
    if (!there)
        return false;
    for (size_t i = 0; i < exchange.file_count; i++)
        if (strcmp(exchange.files[i].from, name) == 0)
            return true;
    return exchange.manifest_from && strcmp(exchange.manifest_from, name) == 0;
}

/* Call with the lock of `key` held. If a file cannot be removed, nothing can be written here
 * either, so that will be noticed. */
static void remove_parts(const struct folder *folder, const char *key, const struct strings *names)
{
    CLEANUP_FREE char *journal = archive_journal_name(key);
    char other[ARCHIVE_KEY_SIZE];

    if (faccessat(folder->fd, journal, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return; /* an exchange that could not be finished needs them */
    for (size_t i = 0; i < names->count; i++)
        if (archive_own_kind(names->items[i], other) == ARCHIVE_OWN_PART &&
            strcmp(other, key) == 0 && !former_journal_needs(folder, names->items[i]))
            (void)unlinkat(folder->fd, names->items[i], 0);
}

static void remove_abandoned(const struct folder *folder, const char *key,
                             const struct strings *names)
{
    CLEANUP(lock_file_releasep) struct lock_file *lock = NULL;
    CLEANUP_FREE char *lock_name = archive_lock_name(key);

    /* Without a lock nobody can tell whether its writer is alive. */
    if (lock_file_take(folder->fd, lock_name, 0, &lock, NULL) == 0)
        remove_parts(folder, key, names);
}

static void warn_about_memory(const struct folder *folder, const char *name)
{
    CLEANUP_FREE char *path = mem_printf("%s/%s", folder->path, name);
    CLEANUP_FREE char *line = shell_virsh("restore", path);

    log_warn("%s was left by an interrupted run and may be the only copy of a guest's memory; run "
             "virt-backup recover; if the file is still there afterwards, resume the guest from it "
             "(%s), or remove it if no guest needs it",
             path, line);
}

int tidy_all(const struct folder *folder, struct err *err)
{
    CLEANUP_STRINGS struct strings names = {0};
    char key[ARCHIVE_KEY_SIZE];

    if (folder_names(folder, &names, err) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++)
        if (archive_own_kind(names.items[i], NULL) == ARCHIVE_OWN_JOURNAL)
            finish_abandoned(folder, names.items[i]);
    for (size_t i = 0; i < names.count; i++) {
        switch (archive_own_kind(names.items[i], key)) {
        case ARCHIVE_OWN_PART:
        case ARCHIVE_OWN_LOCK:
            if (faccessat(folder->fd, names.items[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                remove_abandoned(folder, key, &names);
            break;
        case ARCHIVE_OWN_SCRATCH:
            warn_about_memory(folder, names.items[i]);
            break;
        case ARCHIVE_OWN_JOURNAL:
        case ARCHIVE_OWN_NONE:
            break;
        }
    }
    return 0;
}

/* ---- one guest -------------------------------------------------------------------- */

static int settle_exchange(const struct folder *folder, const char *domain, struct err *err)
{
    CLEANUP_EXCHANGE struct exchange exchange = {0};
    CLEANUP_ERR struct err why = ERR_INIT;
    bool there = false;
    bool begun = false;

    if (exchange_find(folder, domain, &exchange, &there, err) < 0)
        return err_append(err, "%s", interrupted);
    if (!there || finish_exchange(folder, &exchange, &begun, &why) == 0)
        return 0;
    if (begun)
        return err_move(err, &why);
    log_warn_guest(domain, "an interrupted backup was abandoned; the previous one is intact: %s",
                   why.text);
    return exchange_take_back(folder, &exchange, err);
}

int tidy_guest(const struct folder *folder, const char *domain, struct err *err)
{
    CLEANUP_STRINGS struct strings names = {0};
    char key[ARCHIVE_KEY_SIZE];

    if (settle_exchange(folder, domain, err) < 0 || folder_names(folder, &names, err) < 0)
        return -1;
    archive_guest_key(domain, key);
    remove_parts(folder, key, &names);
    return 0;
}
