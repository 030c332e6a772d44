/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/undo/files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "base/private_folder.h"
#include "ops/undo/private.h"

int undo_open_parent(const char *path, int *ret_fd, const char **ret_name, struct err *err)
{
    const char *slash = strrchr(path, '/');
    CLEANUP_FREE char *folder =
        mem_strndup(path, slash && slash > path ? (size_t)(slash - path) : 1);

    *ret_name = slash ? slash + 1 : path;
    return io_open_dir(slash ? folder : ".", ret_fd, err) < 0 ? err_prefix(err, "%s", folder) : 0;
}

static int check_parent(const struct intent_file *file, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;
    struct file_id found;
    const char *name = NULL;

    if (undo_open_parent(file->path, &fd, &name, err) < 0) {
        err_prefix(err, "cannot remove what the restore created there");
        return err_append(err, "is its file system mounted?");
    }
    if (file_id_read(fd, &found, err) < 0)
        return err_prefix(err, "%s", file->path);
    if (!file_id_same(&found, &file->parent))
        return err_set(err, ERR_NOT_FOUND,
                       "cannot remove what the restore created at %s: its folder is no longer the "
                       "same folder; is its file system mounted?",
                       file->path);
    return 0;
}

/* Journals of version 1 have names only, no ids. */
static int remove_by_name(const struct intent_file *file, struct err *err)
{
    if (unlink(file->path) == 0 || errno == ENOENT || errno == ENOTDIR)
        return 0;
    if (errno == EISDIR && (rmdir(file->path) == 0 || errno == ENOTEMPTY))
        return 0;
    return err_set_errno(err, errno, "%s: cannot remove it", file->path);
}

static int remove_private(const struct intent_file *file, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;
    CLEANUP_ERR struct err remove_err = ERR_INIT;
    const char *name = NULL;

    if (undo_open_parent(file->path, &fd, &name, err) < 0)
        return -1;
    if (private_folder_remove_at(fd, name, &file->id, &remove_err) == 0 ||
        remove_err.kind == ERR_NOT_FOUND)
        return 0;
    if (remove_err.kind != ERR_EXISTS)
        return err_move(err, &remove_err);
    log_warn("%s: left alone: %s", file->path, remove_err.text);
    return 0;
}

static int remove_file(const struct intent_file *file, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;
    CLEANUP_ERR struct err open_err = ERR_INIT;
    const char *name = NULL;

    if (undo_open_parent(file->path, &fd, &name, &open_err) < 0)
        return open_err.kind == ERR_NOT_FOUND ? 0 : err_move(err, &open_err);
    if (!file_id_is_at(fd, name, &file->id)) {
        if (errno && errno != ENOENT)
            return err_set_errno(err, errno, "%s: cannot stat it", file->path);
        return 0;
    }
    if (unlinkat(fd, name, 0) == 0)
        return 0;
    /* A folder with anything else in it stays. */
    if (errno == EISDIR && (unlinkat(fd, name, AT_REMOVEDIR) == 0 || errno == ENOTEMPTY))
        return 0;
    return err_set_errno(err, errno, "%s: cannot remove it", file->path);
}

static int remove_one(const struct intent_file *file, struct err *err)
{
    if (file->is_private)
        return remove_private(file, err);
    return file->id.inode ? remove_file(file, err) : remove_by_name(file, err);
}

int undo_files(struct intent *intent, struct err *err)
{
    for (size_t i = 0; i < intent->file_count; i++)
        if (intent->files[i].is_private && check_parent(&intent->files[i], err) < 0)
            return -1;
    while (intent->file_count) {
        struct intent_file *file = &intent->files[intent->file_count - 1];
        if (intent_look(intent, file->path, err) < 0)
            return err_prefix(err, "cannot remove what the restore created");
        if (remove_one(file, err) < 0)
            return -1;
        free(file->path);
        intent->file_count--;
    }
    return 0;
}
