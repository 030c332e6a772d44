/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "archive/exchange.h"
#include "archive/folder.h"
#include "archive/names.h"
#include "base/io.h"

/* Exchanging and opening files takes only a moment: if this many attempts in a row fail, something
 * else is wrong. */
#define BACKUP_OPEN_TRIES 100
#define BACKUP_OPEN_PAUSE_MS 10
/* If the manifest is not the journal's and nothing changes for this long, it never will be. */
#define OPEN_STUCK 5

struct backup_file {
    int fd;         /* owned; -1: see err */
    struct err err; /* why it could not be opened */
};

struct archive_backup {
    const struct folder *folder;
    char *domain;
    char *manifest_name;
    struct manifest *manifest;
    char sha256[DIGEST_HEX_SIZE]; /* of the manifest's file */
    struct backup_file *files;    /* in the order of manifest_next_stored */
    size_t file_count;
};

/* Which backup counts now, identified by its manifest's digest; "": none. */
static int current_backup(const struct archive_backup *backup,
                          char ret_sha256[static DIGEST_HEX_SIZE], struct err *err)
{
    CLEANUP_EXCHANGE struct exchange exchange = {0};
    bool there = false;

    /* A damaged journal is ignored: then the files under the final names count. */
    (void)exchange_find(backup->folder, backup->domain, &exchange, &there, NULL);
    if (!there)
        return folder_manifest_digest(backup->folder, backup->manifest_name, ret_sha256, err);
    memcpy(ret_sha256, exchange.manifest_from ? exchange.manifest_sha256 : "",
           exchange.manifest_from ? DIGEST_HEX_SIZE : 1);
    return 0;
}

/* The file has its temporary name until an exchange has renamed it. */
static int open_under_either(const struct folder *folder, const char *source, const char *name,
                             int *ret_fd, struct err *err)
{
    if (source && io_open_in(folder->fd, source, O_RDONLY, 0, ret_fd, NULL) == 0)
        return 0;
    return io_open_in(folder->fd, name, O_RDONLY, 0, ret_fd, err);
}

static int open_stored(const struct archive_backup *backup, const struct exchange *exchange,
                       const struct manifest_file *file, int *ret_fd, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;
    struct stat st;

    if (open_under_either(backup->folder, exchange_source(exchange, file->name), file->name, &fd,
                          err) < 0)
        return folder_prefix(backup->folder, file->name, err);
    if (fstat(fd, &st) < 0) {
        err_set_errno(err, errno, "cannot stat the file");
        return folder_prefix(backup->folder, file->name, err);
    }
    if ((uint64_t)st.st_size != file->size) {
        err_set(err, ERR_CORRUPT, "is %llu bytes long, but the manifest says %llu",
                (unsigned long long)st.st_size, (unsigned long long)file->size);
        return folder_prefix(backup->folder, file->name, err);
    }
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static void close_files(struct archive_backup *backup)
{
    for (size_t i = 0; i < backup->file_count; i++) {
        if (backup->files[i].fd >= 0)
            close(backup->files[i].fd);
        err_clear(&backup->files[i].err);
    }
    free(backup->files);
    backup->files = NULL;
    backup->file_count = 0;
    manifest_free(backup->manifest);
    backup->manifest = NULL;
}

static int open_manifest(struct archive_backup *backup, const struct exchange *exchange,
                         struct err *err)
{
    char sha256[DIGEST_HEX_SIZE] = "";

    if (exchange->manifest_from &&
        folder_manifest_digest(backup->folder, exchange->manifest_from, sha256, NULL) == 0 &&
        strcmp(sha256, exchange->manifest_sha256) == 0)
        return folder_manifest(backup->folder, exchange->manifest_from, backup->domain,
                               &backup->manifest, backup->sha256, err);
    return folder_manifest(backup->folder, backup->manifest_name, backup->domain, &backup->manifest,
                           backup->sha256, err);
}

static int open_backup_once(struct archive_backup *backup, struct err *err)
{
    CLEANUP_EXCHANGE struct exchange exchange = {0};
    const struct manifest_stored *stored;
    size_t cursor = 0;
    bool there = false;

    (void)exchange_find(backup->folder, backup->domain, &exchange, &there, NULL);
    if (there && !exchange.manifest_from)
        return err_set(err, ERR_NOT_FOUND, "%s/%s is being removed", backup->folder->path,
                       backup->manifest_name);
    if (open_manifest(backup, &exchange, err) < 0)
        return -1;
    while ((stored = manifest_next_stored(backup->manifest, &cursor))) {
        backup->files = mem_resize(backup->files, backup->file_count + 1, sizeof(*backup->files));
        struct backup_file *file = &backup->files[backup->file_count++];
        *file = (struct backup_file){.fd = -1};
        (void)open_stored(backup, &exchange, &stored->file, &file->fd, &file->err);
    }
    return 0;
}

/* Files and manifest belong together if the same backup counts before and after. */
static int open_stable(struct archive_backup *backup, struct err *err)
{
    char before[DIGEST_HEX_SIZE] = "";
    char after[DIGEST_HEX_SIZE] = "";
    int stuck = 0;

    for (int i = 0; i < BACKUP_OPEN_TRIES; i++) {
        CLEANUP_ERR struct err why = ERR_INIT;
        if (current_backup(backup, before, err) < 0)
            return -1;
        int result = open_backup_once(backup, &why);
        if (current_backup(backup, after, err) < 0)
            return -1;
        bool same = strcmp(before, after) == 0;
        if (same && result < 0)
            return err_move(err, &why);
        if (same && strcmp(backup->sha256, after) == 0)
            return 0;
        if (same && ++stuck == OPEN_STUCK)
            break;
        close_files(backup);
        poll(NULL, 0, BACKUP_OPEN_PAUSE_MS);
    }
    if (strcmp(before, after) != 0)
        return err_set(err, ERR_BUSY, "%s/%s keeps being replaced", backup->folder->path,
                       backup->manifest_name);
    return err_set(err, ERR_CORRUPT,
                   "%s/%s is not the manifest that the journal of an interrupted backup names; see "
                   "INTERRUPTED BACKUPS in virt-backup-archive(5)",
                   backup->folder->path, backup->manifest_name);
}

int archive_backup_open(struct archive_reader *archive, const char *domain,
                        struct archive_backup **ret, struct err *err)
{
    CLEANUP(archive_backup_closep) struct archive_backup *backup = mem_alloc(sizeof(*backup));

    backup->folder = archive_reader_folder(archive);
    backup->domain = mem_strdup(domain);
    backup->manifest_name = archive_manifest_name(domain, err);
    if (!backup->manifest_name || open_stable(backup, err) < 0)
        return -1;
    *ret = TAKE_PTR(backup);
    return 0;
}

void archive_backup_close(struct archive_backup *backup)
{
    if (!backup)
        return;
    close_files(backup);
    free(backup->manifest_name);
    free(backup->domain);
    free(backup);
}

const struct manifest *archive_backup_manifest(const struct archive_backup *backup)
{
    return backup->manifest;
}

const char *archive_backup_digest(const struct archive_backup *backup)
{
    return backup->sha256;
}

int archive_backup_open_file(const struct archive_backup *backup,
                             const struct manifest_stored *stored, int *ret_fd, struct err *err)
{
    const struct manifest_stored *other;
    size_t cursor = 0;

    for (size_t i = 0; (other = manifest_next_stored(backup->manifest, &cursor)); i++) {
        const struct backup_file *file = &backup->files[i];
        if (strcmp(other->file.name, stored->file.name) != 0)
            continue;
        if (file->fd < 0) {
            err_set(err, file->err.kind, "%s", file->err.text);
            if (err)
                err->errnum = file->err.errnum;
            return -1;
        }
        *ret_fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 0);
        if (*ret_fd >= 0)
            return 0;
        err_set_errno(err, errno, "cannot duplicate a descriptor");
        return folder_prefix(backup->folder, stored->file.name, err);
    }
    err_set(err, ERR_INTERNAL, "is not a file of this backup");
    return folder_prefix(backup->folder, stored->file.name, err);
}

bool archive_backup_is_current(const struct archive_backup *backup)
{
    char sha256[DIGEST_HEX_SIZE] = "";

    return current_backup(backup, sha256, NULL) == 0 && strcmp(sha256, backup->sha256) == 0;
}
