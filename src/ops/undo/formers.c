/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The files in whose places a restore has put its own: either moved back or, after a restore that
 * was completed, removed.
 */
#include "ops/undo/undo.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "base/quit.h"
#include "ops/undo/private.h"

static void former_clear(struct intent_former *former)
{
    free(former->path);
    free(former->from);
}

/* Journals of versions 1 and 2 have no ids. */
static int move_back_by_name(const struct intent_former *former, struct err *err)
{
    if (rename(former->path, former->from) == 0 || errno == ENOENT)
        return 0;
    return err_set_errno(err, errno, "cannot move %s back to %s", former->path, former->from);
}

/* True if `name` in that folder was made by the restore, as `path`. */
static bool is_ours(const struct intent *intent, int dir_fd, const char *name, const char *path)
{
    for (size_t i = 0; i < intent->file_count; i++)
        if (strcmp(intent->files[i].path, path) == 0 &&
            file_id_is_at(dir_fd, name, &intent->files[i].id))
            return true;
    return false;
}

static int move_back_in(const struct intent *intent, int dir_fd, const char *aside,
                        const struct intent_former *former, struct err *err)
{
    const char *name = strrchr(former->from, '/') + 1;

    /* Where a rename without replacing is a link or a reservation first, both names may exist. */
    if (file_id_is_at(dir_fd, name, &former->id)) {
        (void)unlinkat(dir_fd, aside, 0);
        return 0;
    }
    if (!file_id_is_at(dir_fd, aside, &former->id))
        return err_set(err, ERR_EXISTS, "%s is not the file that was moved there from %s",
                       former->path, former->from);
    if (io_rename(dir_fd, aside, name, is_ours(intent, dir_fd, name, former->from), err) < 0) {
        err_prefix(err, "%s cannot be moved back", former->from);
        return err_append(err, "it is kept as %s", former->path);
    }
    return io_sync_dir(dir_fd, err) < 0 ? err_prefix(err, "%s", former->from) : 0;
}

/* If it is not there, it was not moved yet, or is already back. */
static int move_back(const struct intent *intent, const struct intent_former *former,
                     struct err *err)
{
    CLEANUP_CLOSE int fd = -1;
    const char *aside = NULL;
    int there = intent_look(intent, former->path, err);

    if (there < 0)
        return err_prefix(err, "cannot move back what was replaced");
    if (!there)
        return 0;
    if (!former->id.inode)
        return move_back_by_name(former, err);
    if (undo_open_parent(former->path, &fd, &aside, err) < 0)
        return -1;
    return move_back_in(intent, fd, aside, former, err);
}

int undo_formers(struct intent *intent, struct err *err)
{
    size_t left = 0;

    for (size_t i = 0; i < intent->former_count; i++) {
        struct intent_former former = intent->formers[i];
        CLEANUP_ERR struct err move_err = ERR_INIT;
        if (move_back(intent, &former, &move_err) == 0) {
            former_clear(&former);
            continue;
        }
        if (left == 0)
            err_move(err, &move_err);
        else
            err_append(err, "%s", move_err.text);
        intent->formers[left++] = former;
    }
    intent->former_count = left;
    return left ? -1 : 0;
}

static void remove_outdated(const struct intent_former *former)
{
    CLEANUP_CLOSE int fd = -1;
    const char *name = NULL;

    if (undo_open_parent(former->path, &fd, &name, NULL) < 0 ||
        (former->id.inode && !file_id_is_at(fd, name, &former->id)))
        return;
    if (unlinkat(fd, name, 0) < 0)
        log_warn("%s: cannot remove the file that was replaced: %s", former->path, strerror(errno));
    (void)io_sync_dir(fd, NULL);
}

int undo_outdated(struct intent *intent, struct err *err)
{
    QUIT_DEFERRED();

    while (intent->outdated && intent->former_count) {
        struct intent_former *former = &intent->formers[intent->former_count - 1];
        int there = intent_look(intent, former->path, err);
        if (there < 0)
            return -1;
        if (there)
            remove_outdated(former);
        former_clear(former);
        intent->former_count--;
    }
    return 0;
}
