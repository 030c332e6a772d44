/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The files that a restore makes. Each is made in a private folder beside its final place, where
 * nobody else can substitute another file. There it is written, and gets its owner by descriptor.
 * When all of a guest's files are complete they are moved to their names, never over another file:
 * what is to be replaced is moved aside first, and is removed when the restore is complete. The
 * journal has the private folders before anything is in them, and the id of each file, new or
 * replaced, before any of them gets another name: undoing the restore touches nothing else.
 */
#pragma once

#include "base/private_folder.h"
#include "record/manifest.h"

struct restore_job;

struct restore_output {
    char *path;                    /* final, absolute */
    const char *name;              /* its last part */
    struct private_folder *folder; /* NULL: it is in another output, a folder */
    int dir_fd;                    /* the folder that it is made in; owned */
    int fd;                        /* of a folder; else -1 */
    struct file_id id;             /* known when it is finished */
    bool replaces;                 /* another file has its name, and is moved aside */
    char *aside;                   /* that file's name from then on */
    struct file_id former;
};

struct restore_outputs {
    struct restore_output **list;
    size_t count;
    struct private_folder **folders;
    size_t folder_count;
};

/* Adds an output for `path`, whose folder exists or is itself an output. The result is borrowed. */
int restore_output_new(struct restore_job *job, const char *path, struct restore_output **ret,
                       struct err *err);
/* Makes it: a file (0600; the caller owns *ret_fd), or a folder. */
int restore_output_create(struct restore_output *output, int *ret_fd, struct err *err);
int restore_output_make_folder(struct restore_output *output, mode_t mode, struct err *err);
/* Finishes it: sets owner, mode and security context (NULL: leaves them as they are). */
int restore_output_finish(struct restore_job *job, struct restore_output *output,
                          const struct manifest_owner *owner, struct err *err);
/* Gives all of them their final names; the private folders are removed. */
int restore_outputs_publish(struct restore_job *job, struct err *err);
/* Closes all of them; what is not published stays where it is, for undo_files. */
void restore_outputs_clear(struct restore_outputs *outputs);
