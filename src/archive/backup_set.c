/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/backup_set.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

#include "archive/claims.h"
#include "archive/exchange.h"
#include "archive/folder.h"
#include "archive/names.h"
#include "archive/tidy.h"
#include "base/io.h"
#include "base/lock_file.h"
#include "base/shell.h"
#include "base/when.h"
#include "base/write_behind.h"

struct set_file {
    char *temp;
    char *name;
    int fd;
};

struct backup_set {
    const struct folder *folder;
    struct lock_file *lock;     /* the guest's; NULL if there are no locks */
    char key[ARCHIVE_KEY_SIZE]; /* the guest's, for temporary files */
    unsigned temp_count;        /* temporary names used so far */
    char *domain;
    char *uuid;
    bool replace;
    struct manifest *old; /* the backup to be replaced, or NULL */
    struct set_file *files;
    size_t file_count;
    bool decided; /* the temporary files belong to the exchange now */
};

/* ---- begin and end ------------------------------------------------------------- */

static int exists_error(const struct backup_set *set, const char *name, const char *why,
                        struct err *err)
{
    return err_set(err, ERR_EXISTS, "%s/%s %s", set->folder->path, name, why);
}

/* By UUID if both are known, because a host may be renamed. */
/* The seal counts for more than the UUID: where the firmware has none, libvirt makes up another one
 * at each start. */
static bool is_of_this_host(const struct manifest *old, const struct backup_set_request *request)
{
    if (seal_check(&old->seal, request->key) == SEAL_FITS)
        return true;
    if (old->host_uuid && request->host_uuid)
        return strcasecmp(old->host_uuid, request->host_uuid) == 0;
    return !request->host || strcmp(old->host, request->host) == 0;
}

/* There is a manifest of a guest of this name. Checks that it may be replaced. */
static int check_old(const struct backup_set *set, const struct backup_set_request *request,
                     struct err *err)
{
    const struct manifest *old = set->old;
    CLEANUP_FREE char *path = shell_quote(set->folder->path);
    CLEANUP_FREE char *name = shell_quote(set->domain);
    char when[WHEN_TEXT_SIZE];

    (void)when_local(old->time, when);
    if (strcasecmp(old->domain_uuid, set->uuid) != 0)
        return err_set(err, ERR_EXISTS,
                       "%s holds a backup of another guest of this name, with UUID %s, made %s; if "
                       "that guest no longer exists, remove its backup: virt-backup remove "
                       "--source-path %s --domain-names %s; otherwise use another folder",
                       set->folder->path, old->domain_uuid, when, path, name);
    if (request->replace == BACKUP_SET_KEEP)
        return err_set(err, ERR_EXISTS,
                       "%s holds a backup of this guest, made %s; use --replace to replace it",
                       set->folder->path, when);
    if (request->replace != BACKUP_SET_REPLACE_ANY_HOST && !is_of_this_host(old, request))
        return err_set(err, ERR_EXISTS,
                       "%s holds a backup of this guest, made %s by host '%s' (UUID %s), but this "
                       "is host '%s' (UUID %s); if the guest has moved here, use "
                       "--replace=any-host; otherwise use another folder",
                       set->folder->path, when, old->host,
                       old->host_uuid ? old->host_uuid : "unknown",
                       request->host ? request->host : "?",
                       request->host_uuid ? request->host_uuid : "unknown");
    return 0;
}

static int load_old(struct backup_set *set, const struct backup_set_request *request,
                    struct err *err)
{
    CLEANUP_ERR struct err why = ERR_INIT;
    CLEANUP_FREE char *name = archive_manifest_name(set->domain, err);
    struct stat st = {0};
    bool there = false;

    if (!name || folder_stat(set->folder, name, &there, &st, err) < 0)
        return -1;
    if (!there)
        return 0;
    if (!S_ISREG(st.st_mode))
        return exists_error(set, name, "is in the way: it is not a regular file", err);
    if (folder_manifest(set->folder, name, set->domain, &set->old, NULL, &why) < 0 &&
        why.kind != ERR_NOT_FOUND) {
        err_append(&why, "move it away first, with the files of that backup");
        return err_move(err, &why);
    }
    if (set->old)
        return check_old(set, request, err);
    if (!set->replace)
        return exists_error(set, name,
                            "is in the way: it is not a virt-backup manifest; move it away, or use "
                            "--replace to overwrite it",
                            err);
    return 0;
}

int backup_set_begin(struct archive_writer *archive, const struct backup_set_request *request,
                     struct backup_set **ret, struct err *err)
{
    CLEANUP(backup_set_abortp) struct backup_set *set = mem_alloc(sizeof(*set));
    CLEANUP_FREE char *manifest_name = archive_manifest_name(request->domain, err);

    if (!manifest_name)
        return -1;
    set->folder = archive_writer_folder(archive);
    set->domain = mem_strdup(request->domain);
    set->uuid = mem_strdup(request->uuid);
    set->replace = request->replace != BACKUP_SET_KEEP;
    archive_guest_key(set->domain, set->key);
    if (tidy_lock(set->folder, set->domain, request->wait_ms, &set->lock, err) < 0 ||
        tidy_guest(set->folder, set->domain, err) < 0 ||
        folder_try_name(set->folder, set->key, manifest_name, err) < 0 ||
        load_old(set, request, err) < 0)
        return -1;
    *ret = TAKE_PTR(set);
    return 0;
}

static void file_clear(struct set_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    free(file->temp);
    free(file->name);
}

void backup_set_abort(struct backup_set *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->file_count; i++) {
        if (!set->decided)
            (void)unlinkat(set->folder->fd, set->files[i].temp, 0);
        file_clear(&set->files[i]);
    }
    lock_file_release(set->lock);
    manifest_free(set->old);
    free(set->files);
    free(set->domain);
    free(set->uuid);
    free(set);
}

/* ---- files --------------------------------------------------------------------- */

static struct set_file *find_file(const struct backup_set *set, const char *name)
{
    for (size_t i = 0; i < set->file_count; i++)
        if (strcmp(set->files[i].name, name) == 0)
            return &set->files[i];
    return NULL;
}

static bool old_set_names(const struct backup_set *set, const char *name)
{
    const struct manifest_stored *stored;
    size_t cursor = 0;

    while (set->old && (stored = manifest_next_stored(set->old, &cursor)))
        if (strcmp(stored->file.name, name) == 0)
            return true;
    return false;
}

static int check_name_is_free(const struct backup_set *set, const char *name, struct err *err)
{
    struct stat st = {0};
    bool claimed = false;
    bool there = false;

    if (claims_by_another(set->folder, set->domain, name, &claimed, err) < 0 ||
        folder_stat(set->folder, name, &there, &st, err) < 0)
        return -1;
    if (claimed)
        return exists_error(set, name, "belongs to the backup of another guest", err);
    if (!there)
        return 0;
    if (!S_ISREG(st.st_mode))
        return exists_error(set, name, "is in the way: it is not a regular file", err);
    if (!set->replace && !old_set_names(set, name))
        return exists_error(set, name,
                            "is in the way: it is not part of a backup; move it away, or use "
                            "--replace to overwrite it",
                            err);
    return 0;
}

static char *next_temp_name(struct backup_set *set)
{
    CLEANUP_FREE char *number = mem_printf("%u", ++set->temp_count);

    return archive_part_name(set->key, number);
}

static int add_file(struct backup_set *set, const char *name, struct err *err)
{
    CLEANUP_FREE char *temp = next_temp_name(set);
    int fd = -1;

    if (io_open_in(set->folder->fd, temp, O_RDWR | O_CREAT | O_EXCL, 0600, &fd, err) < 0)
        return folder_prefix(set->folder, temp, err);
    set->files = mem_resize(set->files, set->file_count + 1, sizeof(*set->files));
    set->files[set->file_count++] = (struct set_file){
        .temp = TAKE_PTR(temp),
        .name = mem_strdup(name),
        .fd = fd,
    };
    return fd;
}

static int check_owned(const struct backup_set *set, const char *name, struct err *err)
{
    if (archive_check_owned_name(set->domain, name, err) == 0)
        return 0;
    if (err)
        err->kind = ERR_INTERNAL;
    return -1;
}

int backup_set_expect(struct backup_set *set, const char *name, struct err *err)
{
    if (check_owned(set, name, err) < 0 || check_name_is_free(set, name, err) < 0)
        return -1;
    return folder_try_name(set->folder, set->key, name, err);
}

int backup_set_create(struct backup_set *set, const char *name, int *ret_fd, struct err *err)
{
    if (check_owned(set, name, err) < 0)
        return -1;
    if (find_file(set, name))
        return err_set(err, ERR_INTERNAL, "%s/%s is created twice", set->folder->path, name);
    if (check_name_is_free(set, name, err) < 0)
        return -1;
    int fd = add_file(set, name, err);
    if (fd < 0)
        return -1;
    *ret_fd = fd;
    return 0;
}

/* ---- commit -------------------------------------------------------------------- */

static int check_set(const struct backup_set *set, const struct manifest *manifest, struct err *err)
{
    const struct manifest_stored *stored;
    size_t cursor = 0;
    size_t count = 0;
    struct stat st;

    if (strcmp(manifest->domain_name, set->domain) != 0 ||
        strcasecmp(manifest->domain_uuid, set->uuid) != 0)
        return err_set(err, ERR_INTERNAL, "the manifest belongs to another guest");
    if (archive_check_manifest(manifest, err) < 0) {
        if (err)
            err->kind = ERR_INTERNAL;
        return -1;
    }
    for (; (stored = manifest_next_stored(manifest, &cursor)); count++) {
        const struct set_file *file = find_file(set, stored->file.name);
        if (!file)
            return err_set(err, ERR_INTERNAL, "%s/%s was never written", set->folder->path,
                           stored->file.name);
        if (fstat(file->fd, &st) < 0)
            return err_set_errno(err, errno, "%s/%s", set->folder->path, stored->file.name);
        if ((uint64_t)st.st_size != stored->file.size)
            return err_set(err, ERR_INTERNAL,
                           "%s/%s is %llu bytes long, but the manifest says %llu",
                           set->folder->path, stored->file.name, (unsigned long long)st.st_size,
                           (unsigned long long)stored->file.size);
        if (check_name_is_free(set, stored->file.name, err) < 0)
            return -1;
    }
    if (count != set->file_count)
        return err_set(err, ERR_INTERNAL, "the manifest names %zu of %zu files", count,
                       set->file_count);
    return 0;
}

static int write_manifest(struct backup_set *set, const struct manifest *manifest,
                          struct exchange *exchange, struct err *err)
{
    CLEANUP_FREE char *name = archive_manifest_name(set->domain, err);
    CLEANUP_BUF struct buf text = {0};
    uint8_t sha256[DIGEST_SIZE];

    if (!name)
        return -1;
    if (manifest_format(manifest, set->folder->parser, &text, err) < 0)
        return folder_prefix(set->folder, name, err);
    int fd = add_file(set, name, err);
    if (fd < 0)
        return -1;
    if (io_write(fd, text.data, text.len, err) < 0)
        return folder_prefix(set->folder, name, err);
    digest_of(text.data, text.len, sha256);
    digest_to_hex(sha256, exchange->manifest_sha256);
    exchange->manifest_from = mem_strdup(set->files[set->file_count - 1].temp);
    return 0;
}

static int flush_set(const struct backup_set *set, struct err *err)
{
    for (size_t i = 0; i < set->file_count; i++) {
        if (io_sync(set->files[i].fd, err) < 0)
            return folder_prefix(set->folder, set->files[i].name, err);
        write_behind_drop_all(set->files[i].fd);
    }
    return folder_flush(set->folder, err);
}

/* Lists the old backup's files that no file of the new one replaces. */
static void list_removals(const struct backup_set *set, struct exchange *exchange)
{
    const struct manifest_stored *stored;
    size_t cursor = 0;

    while (set->old && (stored = manifest_next_stored(set->old, &cursor)))
        if (!find_file(set, stored->file.name))
            exchange_add_removal(exchange, stored->file.name);
}

/* An exchange that has not begun is cancelled: the previous backup stays, and this one's files are
 * removed with the set. */
static int exchange_files(struct backup_set *set, const struct exchange *exchange, struct err *err)
{
    CLEANUP_FREE char *temp = next_temp_name(set);
    CLEANUP_ERR struct err why = ERR_INIT;
    bool begun = false;

    if (exchange_decide(set->folder, exchange, temp, err) < 0)
        return -1;
    set->decided = true;
    if (exchange_run(set->folder, exchange, &begun, &why) == 0)
        return 0;
    if (!begun && exchange_take_back(set->folder, exchange, NULL) == 0)
        set->decided = false;
    else
        err_append(&why,
                   "the new backup is complete, but some of its files do not have their final "
                   "names yet; the next backup of this guest to this archive will rename them");
    return err_move(err, &why);
}

static int commit_files(struct backup_set *set, const struct manifest *manifest, struct err *err)
{
    CLEANUP_EXCHANGE struct exchange exchange = {
        .domain = mem_strdup(set->domain),
        .journal = archive_journal_name(set->key),
    };
    const struct manifest_stored *stored;
    size_t cursor = 0;

    if (check_set(set, manifest, err) < 0 || write_manifest(set, manifest, &exchange, err) < 0)
        return -1;
    while ((stored = manifest_next_stored(manifest, &cursor)))
        exchange_add_file(&exchange, find_file(set, stored->file.name)->temp, stored->file.name,
                          stored->file.size);
    list_removals(set, &exchange);
    if (flush_set(set, err) < 0)
        return -1;
    return exchange_files(set, &exchange, err);
}

int backup_set_commit(struct backup_set *set, const struct manifest *manifest, struct err *err)
{
    int result = commit_files(set, manifest, err);

    backup_set_abort(set);
    return result;
}
