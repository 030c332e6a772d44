/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "archive/names.h"
#include "base/dir.h"
#include "base/io.h"
#include "base/log.h"
#include "base/xml.h"

static int lock(int fd, const char *path, bool exclusive, struct err *err)
{
    if (flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return err_set(err, ERR_BUSY,
                       "%s: another virt-backup works on this archive; try again when it is done",
                       path);
    if (errno == EINTR)
        return lock(fd, path, exclusive, err);
    log_warn("%s: the file system can't lock the folder (%s); take care that only one virt-backup "
             "works on it",
             path, strerror(errno));
    return 0;
}

int folder_open(const char *path, bool exclusive, struct folder *ret, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;
    struct stat st;

    if (io_open_dir(path, &fd, err) < 0)
        return err_prefix(err, "%s", path);
    if (lock(fd, path, exclusive, err) < 0)
        return -1;
    /* Who made the folder and leaves it empty removes it again, under its lock. */
    if (fstat(fd, &st) < 0 || st.st_nlink == 0)
        return err_set(err, ERR_BUSY, "%s: another virt-backup has just removed this folder", path);
    *ret = (struct folder){.path = mem_strdup(path), .fd = TAKE_FD(fd)};
    return 0;
}

void folder_clear(struct folder *folder)
{
    if (folder->fd >= 0)
        close(folder->fd);
    free(folder->path);
    *folder = FOLDER_INIT;
}

int folder_prefix(const struct folder *folder, const char *name, struct err *err)
{
    return err_prefix(err, "%s/%s", folder->path, name);
}

int folder_stat(const struct folder *folder, const char *name, bool *ret_there, struct stat *ret_st,
                struct err *err)
{
    int failed = fstatat(folder->fd, name, ret_st, AT_SYMLINK_NOFOLLOW);

    if (failed && errno != ENOENT) {
        err_set_errno(err, errno, "cannot look at the file");
        return folder_prefix(folder, name, err);
    }
    *ret_there = !failed;
    return 0;
}

int folder_names(const struct folder *folder, struct strings *names, struct err *err)
{
    return dir_list(folder->fd, ".", names, err) < 0 ? err_prefix(err, "%s", folder->path) : 0;
}

int folder_manifest(const struct folder *folder, const char *domain, struct manifest **ret,
                    struct err *err)
{
    CLEANUP(manifest_freep) struct manifest *manifest = NULL;
    CLEANUP_FREE char *name = archive_manifest_name(domain, err);
    CLEANUP_FREE char *text = NULL;
    size_t len = 0;

    if (!name)
        return -1;
    if (io_read_file(folder->fd, name, XML_MAX_SIZE, &text, &len, err) < 0 ||
        manifest_parse(text, len, &manifest, err) < 0)
        return folder_prefix(folder, name, err);
    if (archive_check_manifest(manifest, err) < 0) {
        err_prefix(err, "is damaged");
        return folder_prefix(folder, name, err);
    }
    if (strcmp(manifest->domain_name, domain) != 0) {
        err_set(err, ERR_CORRUPT,
                "is the manifest of guest '%s' under another guest's name; rename it back",
                manifest->domain_name);
        return folder_prefix(folder, name, err);
    }
    *ret = TAKE_PTR(manifest);
    return 0;
}

/* 1: names the file, or can't be read and so might; 0: does not; -1: failed. */
static int manifest_claims(const struct folder *folder, const char *domain, const char *name,
                           struct err *err)
{
    CLEANUP(manifest_freep) struct manifest *manifest = NULL;
    CLEANUP_ERR struct err why = ERR_INIT;
    const struct manifest_stored *stored;
    size_t cursor = 0;

    if (folder_manifest(folder, domain, &manifest, &why) < 0) {
        if (why.kind == ERR_NOT_FOUND || why.kind == ERR_UNSUPPORTED)
            return why.kind == ERR_UNSUPPORTED;
        return why.kind == ERR_CORRUPT ? 1 : err_move(err, &why);
    }
    while ((stored = manifest_next_stored(manifest, &cursor)))
        if (strcmp(stored->file.name, name) == 0)
            return 1;
    return 0;
}

int folder_claimed(const struct folder *folder, const char *domain, const char *name,
                   bool *ret_claimed, struct err *err)
{
    /* A file's name begins with its guest's, followed by '-' or ".sav": each such
     * beginning may be a guest. "a-b-vda.raw" is disk b-vda of a or vda of a-b. */
    for (const char *end = name + 1; *name && *end; end++) {
        if (*end != '-' && strcmp(end, ".sav") != 0)
            continue;
        CLEANUP_FREE char *other = mem_strndup(name, (size_t)(end - name));
        if (strcmp(other, domain) == 0 || archive_check_owned_name(other, name, NULL) < 0)
            continue;
        int claims = manifest_claims(folder, other, name, err);
        if (claims < 0)
            return -1;
        if (claims) {
            *ret_claimed = true;
            return 0;
        }
    }
    *ret_claimed = false;
    return 0;
}
