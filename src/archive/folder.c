/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "archive/names.h"
#include "base/dir.h"
#include "base/io.h"
#include "base/xml.h"

int folder_open(const char *path, const struct parser *parser, struct folder *ret, struct err *err)
{
    int fd = -1;

    if (io_open_dir(path, &fd, err) < 0)
        return err_prefix(err, "%s", path);
    *ret = (struct folder){.path = mem_strdup(path), .fd = fd, .parser = parser};
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
        err_set_errno(err, errno, "cannot stat the file");
        return folder_prefix(folder, name, err);
    }
    *ret_there = !failed;
    return 0;
}

int folder_flush(const struct folder *folder, struct err *err)
{
    if (io_sync_dir(folder->fd, err) < 0)
        return err_prefix(err, "%s", folder->path);
    return 0;
}

int folder_names(const struct folder *folder, struct strings *names, struct err *err)
{
    return dir_list(folder->fd, ".", names, err) < 0 ? err_prefix(err, "%s", folder->path) : 0;
}

/* ---- manifests ----------------------------------------------------------------- */

int folder_manifest(const struct folder *folder, const char *name, const char *domain,
                    struct manifest **ret, char ret_sha256[DIGEST_HEX_SIZE], struct err *err)
{
    CLEANUP(manifest_freep) struct manifest *manifest = NULL;
    CLEANUP_FREE char *text = NULL;
    uint8_t sha256[DIGEST_SIZE];
    size_t len = 0;

    if (io_read_file(folder->fd, name, XML_MAX_SIZE, &text, &len, err) < 0)
        return folder_prefix(folder, name, err);
    const struct xml_text written = {text, len, folder->parser, true};
    if (manifest_read(&written, &manifest, err) < 0)
        return folder_prefix(folder, name, err);
    if (strcmp(manifest->domain_name, domain) != 0) {
        err_set(err, ERR_CORRUPT,
                "is the manifest of guest '%s' under another guest's name; rename it back",
                manifest->domain_name);
        return folder_prefix(folder, name, err);
    }
    if (archive_check_manifest(manifest, err) < 0) {
        err_prefix(err, "is damaged");
        return folder_prefix(folder, name, err);
    }
    if (ret_sha256) {
        digest_of(text, len, sha256);
        digest_to_hex(sha256, ret_sha256);
    }
    *ret = TAKE_PTR(manifest);
    return 0;
}

bool folder_may_be_manifest(const struct folder *folder, const char *name)
{
    CLEANUP_ERR struct err why = ERR_INIT;
    CLEANUP_FREE char *text = NULL;
    size_t len = 0;

    if (io_read_file(folder->fd, name, XML_MAX_SIZE, &text, &len, &why) < 0)
        return why.kind != ERR_NOT_FOUND;
    return !manifest_is_other_xml(&(struct xml_text){text, len, folder->parser, true});
}

int folder_manifest_digest(const struct folder *folder, const char *name,
                           char ret_sha256[static DIGEST_HEX_SIZE], struct err *err)
{
    CLEANUP_ERR struct err why = ERR_INIT;
    CLEANUP_FREE char *text = NULL;
    uint8_t sha256[DIGEST_SIZE];
    size_t len = 0;

    *ret_sha256 = '\0';
    if (io_read_file(folder->fd, name, XML_MAX_SIZE, &text, &len, &why) < 0) {
        if (why.kind == ERR_NOT_FOUND)
            return 0;
        err_move(err, &why);
        return folder_prefix(folder, name, err);
    }
    digest_of(text, len, sha256);
    digest_to_hex(sha256, ret_sha256);
    return 0;
}

/* ---- names that the file system may refuse --------------------------------------- */

/* The name in the list of the file with this `st`; NULL if there is none. */
static const char *name_of_file(const struct folder *folder, const struct strings *names,
                                const struct stat *st)
{
    struct stat other;

    for (size_t i = 0; i < names->count; i++)
        if (fstatat(folder->fd, names->items[i], &other, AT_SYMLINK_NOFOLLOW) == 0 &&
            other.st_dev == st->st_dev && other.st_ino == st->st_ino)
            return names->items[i];
    return NULL;
}

/* For messages: the real name behind a name that is only tried. */
static const char *name_meant(const char *name)
{
    static const char mark[] = ".try.";
    const char *tried =
        archive_own_kind(name, NULL) == ARCHIVE_OWN_PART ? strstr(name, mark) : NULL;

    return tried ? tried + strlen(mark) : name;
}

/* The file exists. Checks that it really has this spelling, and that the file system does not just
 * treat the name as equal. */
static int check_spelling(const struct folder *folder, const char *name, struct err *err)
{
    CLEANUP_STRINGS struct strings names = {0};
    struct stat st;

    if (folder_names(folder, &names, err) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++)
        if (strcmp(names.items[i], name) == 0)
            return 0;
    if (fstatat(folder->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0; /* renamed or removed in the meantime */
    const char *other = name_of_file(folder, &names, &st);
    return err_set(err, ERR_UNSUPPORTED,
                   "%s: the file system treats '%s' and '%s' as the same name; use another folder "
                   "for this guest",
                   folder->path, name_meant(name), other ? name_meant(other) : "another name");
}

int folder_try_name(const struct folder *folder, const char *key, const char *name, struct err *err)
{
    CLEANUP_FREE char *tried = archive_try_name(key, name);
    struct stat st;

    if (fstatat(folder->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return check_spelling(folder, name, err);
    int fd = openat(folder->fd, tried, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == ENAMETOOLONG)
        return 0; /* the trial name is longer than the name itself */
    if (fd < 0) {
        err_set_errno(err, errno, "cannot create a file of this name here");
        return folder_prefix(folder, name, err);
    }
    close(fd);
    int result = check_spelling(folder, tried, err);
    (void)unlinkat(folder->fd, tried, 0);
    return result;
}
