/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/exchange.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

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
        return folder_prefix(folder, EXCHANGE_JOURNAL_NAME, err);
    if (io_write(fd, text.data, text.len, err) < 0 || io_sync(fd, err) < 0 ||
        io_rename(folder->fd, temp_name, EXCHANGE_JOURNAL_NAME, false, err) < 0) {
        (void)unlinkat(folder->fd, temp_name, 0);
        return folder_prefix(folder, EXCHANGE_JOURNAL_NAME, err);
    }
    if (io_sync_dir(folder->fd, err) < 0) {
        /* Nothing else has happened yet, so it can still be taken back. */
        (void)unlinkat(folder->fd, EXCHANGE_JOURNAL_NAME, 0);
        (void)io_sync_dir(folder->fd, NULL);
        return err_prefix(err, "%s", folder->path);
    }
    return 0;
}

/* ---- doing it, as often as it takes -------------------------------------------- */

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

/* The new file is there, under its temporary name (*ret_waits) or its own. */
static int check_file(const struct folder *folder, const struct exchange *exchange,
                      const struct exchange_file *file, bool *ret_waits, struct err *err)
{
    bool claimed = false;
    uint64_t size = 0;

    if (is_regular(folder, file->from, ret_waits, &size, err) < 0)
        return -1;
    if (*ret_waits) {
        if (folder_claimed(folder, exchange->domain, file->to, &claimed, err) < 0)
            return -1;
        if (claimed)
            return err_set(err, ERR_EXISTS, "%s/%s belongs to the backup of another guest",
                           folder->path, file->to);
    } else {
        bool done = false;
        if (is_regular(folder, file->to, &done, &size, err) < 0)
            return -1;
        if (!done)
            return err_set(err, ERR_CORRUPT, "%s/%s is missing", folder->path, file->to);
    }
    if (size != file->size)
        return err_set(err, ERR_CORRUPT, "%s/%s is %llu bytes long, %llu were written",
                       folder->path, *ret_waits ? file->from : file->to, (unsigned long long)size,
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

/* ret_waits: one flag for each file, and one for the manifest behind them. */
static int check_all(const struct folder *folder, const struct exchange *exchange,
                     const char *manifest_name, bool *ret_waits, struct err *err)
{
    for (size_t i = 0; i < exchange->file_count; i++)
        if (check_file(folder, exchange, &exchange->files[i], &ret_waits[i], err) < 0)
            return -1;
    bool waits = is_manifest(folder, exchange, exchange->manifest_from);
    if (!waits && !is_manifest(folder, exchange, manifest_name))
        return err_set(err, ERR_CORRUPT, "%s/%s is missing or not what was written", folder->path,
                       manifest_name);
    ret_waits[exchange->file_count] = waits;
    return 0;
}

static int rename_all(const struct folder *folder, const struct exchange *exchange,
                      const char *manifest_name, const bool *waits, struct err *err)
{
    for (size_t i = 0; i < exchange->file_count; i++)
        if (waits[i] &&
            io_rename(folder->fd, exchange->files[i].from, exchange->files[i].to, true, err) < 0)
            return err_prefix(err, "%s", folder->path);
    if (io_sync_dir(folder->fd, err) < 0)
        return err_prefix(err, "%s", folder->path);
    if (waits[exchange->file_count] &&
        io_rename(folder->fd, exchange->manifest_from, manifest_name, true, err) < 0)
        return err_prefix(err, "%s", folder->path);
    if (io_sync_dir(folder->fd, err) < 0)
        return err_prefix(err, "%s", folder->path);
    return 0;
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
        if (folder_claimed(folder, exchange->domain, exchange->removals[i], &claimed, err) < 0)
            return -1;
        if (!claimed && remove_name(folder, exchange->removals[i], err) < 0)
            return -1;
    }
    /* The journal must not be gone while one of them is still there. */
    if (io_sync_dir(folder->fd, err) < 0)
        return err_prefix(err, "%s", folder->path);
    return 0;
}

int exchange_run(const struct folder *folder, const struct exchange *exchange, struct err *err)
{
    CLEANUP_FREE char *manifest_name = archive_manifest_name(exchange->domain, err);
    CLEANUP_FREE bool *waits = mem_array(exchange->file_count + 1, sizeof(*waits));

    if (!manifest_name || check_all(folder, exchange, manifest_name, waits, err) < 0 ||
        rename_all(folder, exchange, manifest_name, waits, err) < 0 ||
        remove_old(folder, exchange, err) < 0 ||
        remove_name(folder, EXCHANGE_JOURNAL_NAME, err) < 0)
        return -1;
    if (io_sync_dir(folder->fd, err) < 0)
        return err_prefix(err, "%s", folder->path);
    return 0;
}

int exchange_pending(const struct folder *folder, bool *ret_pending, struct err *err)
{
    struct stat st;

    return folder_stat(folder, EXCHANGE_JOURNAL_NAME, ret_pending, &st, err);
}

int exchange_finish(const struct folder *folder, struct err *err)
{
    CLEANUP_EXCHANGE struct exchange exchange = {0};
    CLEANUP_FREE char *text = NULL;
    bool pending = false;
    size_t len = 0;

    if (exchange_pending(folder, &pending, err) < 0)
        return -1;
    if (!pending)
        return 0;
    if (io_read_file(folder->fd, EXCHANGE_JOURNAL_NAME, EXCHANGE_JOURNAL_MAX, &text, &len, err) <
            0 ||
        exchange_parse(text, len, &exchange, err) < 0)
        return folder_prefix(folder, EXCHANGE_JOURNAL_NAME, err);
    return exchange_run(folder, &exchange, err);
}
