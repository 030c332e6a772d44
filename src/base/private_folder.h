/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A folder of our own beside the place where new files will get their names. Other users may be
 * able to change that place: to rename what is there, or to replace it with a link to a file
 * elsewhere. Only this user can change what is in the private folder, so programs may open files
 * there by name, and files may be given an owner. A complete file is moved to its final name, which
 * must be free.
 *
 * The folder has a random name, and its id is known before anything is in it. With both of these
 * and the id of its parent folder, a journal can remove it again.
 */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/file_id.h"

struct private_folder {
    char *parent; /* path of the parent folder, without a trailing '/' except for "/" */
    int parent_fd;
    struct file_id parent_id;
    char *name;
    int fd; /* -1: not made yet */
    struct file_id id;
    int reserved_fd; /* what reserves a name; kept open so that its inode is not reused */
};

#define PRIVATE_FOLDER_INIT ((struct private_folder){.parent_fd = -1, .fd = -1, .reserved_fd = -1})

/* A name that nobody else uses, ".virt-backup-...SUFFIX"; NULL on failure, else the caller
 * frees. */
char *private_folder_random_name(const char *suffix, struct err *err);
/* Opens the parent folder and chooses the name; makes nothing yet. */
int private_folder_plan(const char *parent, struct private_folder *ret, struct err *err);
/* Makes it, 0700. */
int private_folder_make(struct private_folder *folder, struct err *err);
/* Moves `name`, a file or folder in it, to the same name in the parent folder. A name that is taken
 * is refused (exists). If the file system can neither rename without replacing nor link, the name
 * is reserved: ret_reserved (inode 0: already done) is what was made for that, and
 * private_folder_publish_over finishes the move. */
int private_folder_publish(struct private_folder *folder, const char *name,
                           struct file_id *ret_reserved, struct err *err);
int private_folder_publish_over(struct private_folder *folder, const char *name,
                                const struct file_id *reserved, struct err *err);
/* Removes it with everything that is left in it. */
int private_folder_remove(struct private_folder *folder, struct err *err);
/* The same for a folder that another process made: if `name` in parent_fd is that folder. If the id
 * is not known, it is removed only if it is an empty folder. */
int private_folder_remove_at(int parent_fd, const char *name, const struct file_id *id,
                             struct err *err);
/* Closes it; removes nothing. */
void private_folder_clear(struct private_folder *folder);
#define CLEANUP_PRIVATE_FOLDER CLEANUP(private_folder_clear)
