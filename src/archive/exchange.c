/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/exchange.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "archive/claims.h"
#include "archive/names.h"
#include "base/cleanup.h"
#include "base/io.h"

int exchange_decide(const struct folder *folder, const struct exchange *exchange,
                    const char *temp_name, struct err *err)
{
    CLEANUP_BUF struct buf text = {0};
    CLEANUP_CLOSE int fd = -1;

    if (exchange_format(exchange, &text, err) < 0)
        return -1;
    if (io_open_in(folder->fd, temp_name, O_WRONLY | O_CREAT | O_EXCL, 0600, &fd, err) < 0)
        return folder_prefix(folder, exchange->journal, err);
    /* We hold the guest's lock, so the name is free; and many file systems cannot rename without
     * replacing. */
    if (io_write(fd, text.data, text.len, err) < 0 || io_sync(fd, err) < 0 ||
        io_rename(folder->fd, temp_name, exchange->journal, true, err) < 0) {
        (void)unlinkat(folder->fd, temp_name, 0);
        return folder_prefix(folder, exchange->journal, err);
    }
    if (io_sync_dir(folder->fd, err) < 0) {
        /* Nothing else has happened yet, so it can still be undone. */
        (void)unlinkat(folder->fd, exchange->journal, 0);
        (void)io_sync_dir(folder->fd, NULL);
        return err_prefix(err, "%s", folder->path);
    }
    return 0;
}

/* ---- running it, again if needed -------------------------------------------------
 *
 * Each run looks anew at what still has its temporary name, because an earlier one may have ended
 * anywhere. The order:
 *
 *   1. All new files are looked for, under both names, before the first is renamed: what is missing
 *      or too short must be noticed while the exchange can still be taken back.
 *   2. The files are renamed, the folder is flushed, then the manifest is renamed. So after a power
 *      cut, a manifest that has its name describes files that have theirs.
 *   3. The folder is flushed again before anything is removed: as long as a power cut can bring the
 *      old manifest back, its files must be there.
 *   4. The removals are flushed before the journal goes: nothing else says that these files can go.
 *
 * A removal has no new files; there the old manifest goes first, and the folder is flushed: a
 * backup of which some files are gone must not be taken for one. */

static int is_regular(const struct folder *folder, const char *name, bool *ret_regular,
                      uint64_t *ret_size, struct err *err)
{
    struct stat st = {0};
    bool there = false;

    if (folder_stat(folder, name, &there, &st, err) < 0)
        return -1;
    *ret_regular = there && S_ISREG(st.st_mode);
    *ret_size = *ret_regular ? (uint64_t)st.st_size : 0;
    return 0;
}

/* Checks that the new file exists, under its temporary name (waits) or its own. */
static int check_file(const struct folder *folder, const struct exchange *exchange,
                      const struct exchange_file *file, bool waits, struct err *err)
{
    const char *name = waits ? file->from : file->to;
    bool claimed = false;
    bool there = false;
    uint64_t size = 0;

    if (is_regular(folder, name, &there, &size, err) < 0)
        return -1;
    if (!there)
        return err_set(err, ERR_CORRUPT, "%s/%s is missing", folder->path, file->to);
    if (waits && claims_by_another(folder, exchange->domain, file->to, &claimed, err) < 0)
        return -1;
    if (claimed)
        return err_set(err, ERR_EXISTS, "%s/%s belongs to the backup of another guest",
                       folder->path, file->to);
    if (size != file->size)
        return err_set(err, ERR_CORRUPT, "%s/%s is %llu bytes long, but %llu were written",
                       folder->path, name, (unsigned long long)size,
                       (unsigned long long)file->size);
    return 0;
}

/* True if the file under `name` is the new manifest. */
static bool is_manifest(const struct folder *folder, const struct exchange *exchange,
                        const char *name)
{
    CLEANUP_FREE char *text = NULL;
    uint8_t sha256[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];
    size_t len = 0;

    if (io_read_file(folder->fd, name, XML_MAX_SIZE, &text, &len, NULL) < 0)
        return false;
    digest_of(text, len, sha256);
    digest_to_hex(sha256, hex);
    return strcmp(hex, exchange->manifest_sha256) == 0;
}

static int rename_one(const struct folder *folder, const char *from, const char *to,
                      bool *ret_begun, struct err *err)
{
    if (io_rename(folder->fd, from, to, true, err) < 0)
        return err_prefix(err, "%s", folder->path);
    *ret_begun = true;
    return 0;
}

static int put_in_place(const struct folder *folder, const struct exchange *exchange,
                        const char *manifest_name, bool *ret_begun, struct err *err)
{
    const struct exchange_file *files = exchange->files;
    size_t count = exchange->file_count;
    CLEANUP_FREE bool *waits = mem_array(count, sizeof(*waits)); /* under its temporary name */
    uint64_t size = 0;
    bool begun = false;

    for (size_t i = 0; i < count; i++) {
        if (is_regular(folder, files[i].from, &waits[i], &size, err) < 0)
            return -1;
        begun = begun || !waits[i];
    }
    bool manifest_waits = is_manifest(folder, exchange, exchange->manifest_from);
    *ret_begun = begun || (count == 0 && !manifest_waits);

    for (size_t i = 0; i < count; i++)
        if (check_file(folder, exchange, &files[i], waits[i], err) < 0)
            return -1;
    if (!manifest_waits && !is_manifest(folder, exchange, manifest_name))
        return err_set(err, ERR_CORRUPT, "%s/%s is missing, or is not what was written",
                       folder->path, manifest_name);

    for (size_t i = 0; i < count; i++)
        if (waits[i] && rename_one(folder, files[i].from, files[i].to, ret_begun, err) < 0)
            return -1;
    if (folder_flush(folder, err) < 0)
        return -1;
    if (manifest_waits &&
        rename_one(folder, exchange->manifest_from, manifest_name, ret_begun, err) < 0)
        return -1;
    return folder_flush(folder, err);
}

static int remove_name(const struct folder *folder, const char *name, struct err *err)
{
    if (unlinkat(folder->fd, name, 0) < 0 && errno != ENOENT)
        return err_set_errno(err, errno, "%s/%s: cannot remove", folder->path, name);
    return 0;
}

static int remove_old(const struct folder *folder, const struct exchange *exchange, struct err *err)
{
    for (size_t i = 0; i < exchange->removal_count; i++) {
        bool claimed = false;
        if (claims_by_another(folder, exchange->domain, exchange->removals[i], &claimed, err) < 0)
            return -1;
        if (!claimed && remove_name(folder, exchange->removals[i], err) < 0)
            return -1;
    }
    return folder_flush(folder, err);
}

static int remove_manifest(const struct folder *folder, const struct exchange *exchange,
                           const char *manifest_name, bool *ret_begun, struct err *err)
{
    char sha256[DIGEST_HEX_SIZE];

    if (folder_manifest_digest(folder, manifest_name, sha256, err) < 0)
        return -1;
    *ret_begun = *sha256 == '\0';
    if (!*ret_begun && strcmp(sha256, exchange->manifest_sha256) != 0)
        return err_set(err, ERR_CORRUPT, "%s/%s is not the manifest that was to be removed",
                       folder->path, manifest_name);
    if (remove_name(folder, manifest_name, err) < 0)
        return -1;
    *ret_begun = true;
    return folder_flush(folder, err);
}

int exchange_run(const struct folder *folder, const struct exchange *exchange, bool *ret_begun,
                 struct err *err)
{
    CLEANUP_FREE char *manifest_name = archive_manifest_name(exchange->domain, err);

    *ret_begun = true; /* unless we find out otherwise */
    if (!manifest_name)
        return -1;
    int result = exchange->manifest_from
                     ? put_in_place(folder, exchange, manifest_name, ret_begun, err)
                     : remove_manifest(folder, exchange, manifest_name, ret_begun, err);
    if (result < 0 || remove_old(folder, exchange, err) < 0 ||
        remove_name(folder, exchange->journal, err) < 0)
        return -1;
    return folder_flush(folder, err);
}

int exchange_take_back(const struct folder *folder, const struct exchange *exchange,
                       struct err *err)
{
    if (remove_name(folder, exchange->journal, err) < 0)
        return -1;
    return folder_flush(folder, err);
}
