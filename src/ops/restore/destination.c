/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/restore/destination.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

static int check_writable(const char *folder, struct err *err)
{
    if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) < 0)
        return err_set_errno(err, errno, "%s: cannot write to the folder", folder);
    return 0;
}

/* The folder in which it would be made. */
static int find_missing(const char *path, char **ret_path, struct err *err)
{
    CLEANUP_FREE char *text = mem_strdup(path);
    size_t len = strlen(text);
    struct stat st;

    while (len > 1 && text[len - 1] == '/')
        text[--len] = '\0';
    if (lstat(text, &st) == 0)
        return err_set(err, ERR_NOT_FOUND, "%s is a dangling symbolic link", text);
    char *slash = strrchr(text, '/');
    const char *name = slash ? slash + 1 : text;
    CLEANUP_FREE char *around =
        slash ? mem_strndup(text, slash > text ? (size_t)(slash - text) : 1) : mem_strdup(".");
    CLEANUP_FREE char *absolute = realpath(around, NULL);
    if (!absolute)
        return err_set_errno(err, errno, "%s: cannot create it: its parent folder", path);
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return err_set(err, ERR_USAGE, "'%s' does not name a folder", path);
    if (check_writable(absolute, err) < 0)
        return err_prefix(err, "%s: cannot create it", path);
    *ret_path = mem_printf("%s/%s", strcmp(absolute, "/") == 0 ? "" : absolute, name);
    return 0;
}

int restore_destination_find(const char *path, char **ret_path, bool *ret_exists, struct err *err)
{
    CLEANUP_FREE char *absolute = realpath(path, NULL);
    struct stat st;

    *ret_exists = absolute != NULL;
    if (!absolute && errno != ENOENT)
        return err_set_errno(err, errno, "%s: cannot find the folder", path);
    if (!absolute)
        return find_missing(path, ret_path, err);
    if (stat(absolute, &st) == 0 && !S_ISDIR(st.st_mode))
        return err_set(err, ERR_USAGE, "%s is not a folder", path);
    if (check_writable(absolute, err) < 0)
        return -1;
    *ret_path = TAKE_PTR(absolute);
    return 0;
}

static int open_up_destination(const char *path, struct err *err)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set_errno(err, errno, "%s: cannot open the folder", path);
    /* It may no longer be the folder that was just made. */
    if (st.st_uid == 0 && (st.st_mode & 07777) == 0700 && fchmod(fd, 0711) < 0)
        return err_set_errno(err, errno, "%s: cannot set its mode", path);
    return 0;
}

int restore_destination_make(const char *path, struct err *err)
{
    if (mkdir(path, 0700) < 0)
        return err_set_errno(err, errno, "%s: cannot create the folder", path);
    if (geteuid() == 0 && open_up_destination(path, err) < 0)
        return -1;
    return io_sync_folder_of(path, err) < 0 ? err_prefix(err, "%s", path) : 0;
}
