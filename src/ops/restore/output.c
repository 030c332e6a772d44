/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/restore/output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "disk/attributes.h"
#include "ops/restore/job.h"

/* ---- making it -------------------------------------------------------------------------- */

static char *private_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return mem_strndup(path, slash > path ? (size_t)(slash - path) : 1);
}

static struct restore_output *find_output(const struct restore_outputs *outputs, const char *path)
{
    for (size_t i = 0; i < outputs->count; i++)
        if (strcmp(outputs->list[i]->path, path) == 0)
            return outputs->list[i];
    return NULL;
}

/* The journal has its name before it is made, and its id before anything is in it. */
static int make_private_folder(struct restore_job *job, struct private_folder *folder,
                               struct err *err)
{
    struct intent *intent = &job->intent;
    CLEANUP_FREE char *path =
        mem_printf("%s/%s", strcmp(folder->parent, "/") == 0 ? "" : folder->parent, folder->name);

    intent_add_private_folder(intent, path, &folder->parent_id);
    if (restore_note(job, err) < 0 || private_folder_make(folder, err) < 0)
        return -1;
    intent->files[intent->file_count - 1].id = folder->id;
    return restore_note(job, err);
}

static int find_private_folder(struct restore_job *job, const char *parent,
                               struct private_folder **ret, struct err *err)
{
    struct restore_outputs *outputs = &job->outputs;
    struct private_folder planned;

    for (size_t i = 0; i < outputs->folder_count; i++)
        if (strcmp(outputs->folders[i]->parent, parent) == 0) {
            *ret = outputs->folders[i];
            return 0;
        }
    if (private_folder_plan(parent, &planned, err) < 0)
        return -1;
    struct private_folder *folder = mem_alloc(sizeof(*folder));
    *folder = planned;
    outputs->folders =
        mem_resize(outputs->folders, outputs->folder_count + 1, sizeof(*outputs->folders));
    outputs->folders[outputs->folder_count++] = folder;
    *ret = folder;
    return make_private_folder(job, folder, err);
}

int restore_output_new(struct restore_job *job, const char *path, struct restore_output **ret,
                       struct err *err)
{
    struct restore_outputs *outputs = &job->outputs;
    CLEANUP_FREE char *parent = private_folder_of(path);
    const struct restore_output *around = find_output(outputs, parent);
    struct private_folder *folder = NULL;

    if (!around && find_private_folder(job, parent, &folder, err) < 0)
        return -1;
    struct restore_output *output = mem_alloc(sizeof(*output));
    *output = (struct restore_output){.path = mem_strdup(path), .folder = folder, .fd = -1};
    output->replaces = placement_replaces(&job->placement, path);
    output->name = strrchr(output->path, '/') + 1;
    output->dir_fd = fcntl(around ? around->fd : folder->fd, F_DUPFD_CLOEXEC, 0);
    outputs->list = mem_resize(outputs->list, outputs->count + 1, sizeof(*outputs->list));
    outputs->list[outputs->count++] = output;
    *ret = output;
    return output->dir_fd < 0 ? err_set_errno(err, errno, "cannot open its folder") : 0;
}

int restore_output_create(struct restore_output *output, int *ret_fd, struct err *err)
{
    int fd = openat(output->dir_fd, output->name,
                    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return err_set_errno(err, errno, "%s: cannot create", output->path);
    *ret_fd = fd;
    return 0;
}

int restore_output_make_folder(struct restore_output *output, mode_t mode, struct err *err)
{
    if (mkdirat(output->dir_fd, output->name, 0700) < 0)
        return err_set_errno(err, errno, "%s: cannot create the folder", output->path);
    output->fd =
        openat(output->dir_fd, output->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (output->fd < 0)
        return err_set_errno(err, errno, "%s: cannot open it", output->path);
    /* The umask restricted it. */
    if (fchmod(output->fd, mode) < 0)
        return err_set_errno(err, errno, "%s: cannot set its mode", output->path);
    return 0;
}

/* ---- its mode and owner ----------------------------------------------------------------- */

/* Drops what no image needs and what would let others on this host use it as more than an image:
 * set-id bits, and write permission for everybody. */
static uint32_t fit_mode(struct restore_job *job, const char *path, uint32_t mode)
{
    uint32_t fit = mode & 0775u;

    if (fit != mode)
        report_warning(
            job->run->report, job->name,
            &(struct warning){WARNING_MODE_CHANGED, .path = path, .mode = mode, .new_mode = fit});
    return fit;
}

static int put_back_owner(struct restore_job *job, int fd, const char *path,
                          const struct manifest_owner *owner, struct err *err)
{
    struct attributes attributes = {
        .uid = owner->uid,
        .gid = owner->gid,
        .selinux = owner->selinux,
    };
    bool partial = false;

    if (!owner->known)
        return 0;
    attributes.mode = fit_mode(job, path, owner->mode);
    if (attributes_apply(fd, &attributes, &partial, err) < 0)
        return err_prefix(err, "%s", path);
    if (partial && !job->run->owner_said) {
        job->run->owner_said = true;
        report_warning(job->run->report, job->name, &(struct warning){WARNING_OWNER_CHANGED});
    }
    return 0;
}

int restore_output_finish(struct restore_job *job, struct restore_output *output,
                          const struct manifest_owner *owner, struct err *err)
{
    CLEANUP_CLOSE int fd = openat(output->dir_fd, output->name,
                                  O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return err_set_errno(err, errno, "%s: cannot open it", output->path);
    if (file_id_read(fd, &output->id, err) < 0)
        return err_prefix(err, "%s", output->path);
    if (owner && put_back_owner(job, fd, output->path, owner, err) < 0)
        return -1;
    if (io_sync(fd, err) < 0)
        return err_prefix(err, "%s", output->path);
    return 0;
}

/* ---- their names ------------------------------------------------------------------------ */

static int note_former(struct restore_job *job, struct restore_output *output, struct err *err)
{
    struct private_folder *folder = output->folder;
    CLEANUP_CLOSE int fd = openat(folder->parent_fd, output->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    if (fd < 0 && errno == ENOENT) /* somebody has removed it meanwhile */
        return 0;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set_errno(err, errno, "%s: cannot stat it", output->path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_EXISTS, "%s is not a file, and cannot be replaced", output->path);
    if (file_id_read(fd, &output->former, err) < 0)
        return err_prefix(err, "%s", output->path);
    output->aside = private_folder_random_name(".replaced", err);
    if (!output->aside)
        return -1;
    CLEANUP_FREE char *path =
        mem_printf("%s/%s", strcmp(folder->parent, "/") == 0 ? "" : folder->parent, output->aside);
    intent_add_former(&job->intent, path, output->path, &output->former);
    return 0;
}

/* Undoing it moves back nothing but the file that was noted. */
static int move_former(const struct restore_output *output, struct err *err)
{
    int dir_fd = output->folder->parent_fd;

    if (io_rename(dir_fd, output->name, output->aside, false, err) < 0)
        return err_prefix(err, "%s", output->folder->parent);
    if (file_id_is_at(dir_fd, output->aside, &output->former))
        return 0;
    (void)io_rename(dir_fd, output->aside, output->name, false, NULL);
    return err_set(err, ERR_EXISTS,
                   "%s: somebody else has put another file in its place in the meantime",
                   output->path);
}

static int publish_output(struct restore_job *job, struct restore_output *output, struct err *err)
{
    struct private_folder *folder = output->folder;
    struct file_id reserved;

    if (output->aside && move_former(output, err) < 0)
        return -1;
    if (private_folder_publish(folder, output->name, &reserved, err) < 0)
        return err_prefix(err, "%s", output->path);
    if (!reserved.inode)
        return 0;
    intent_add_file(&job->intent, output->path, &reserved);
    if (restore_note(job, err) < 0)
        return -1;
    if (private_folder_publish_over(folder, output->name, &reserved, err) < 0)
        return err_prefix(err, "%s", output->path);
    return 0;
}

/* Checks that nobody has replaced a folder on the path. */
static int check_path(const struct restore_output *output, struct err *err)
{
    if (file_id_is_at(AT_FDCWD, output->path, &output->id))
        return 0;
    return err_set(err, ERR_EXISTS,
                   "%s is not the file that was restored: somebody else has changed its folder in "
                   "the meantime",
                   output->path);
}

int restore_outputs_publish(struct restore_job *job, struct err *err)
{
    const struct restore_outputs *outputs = &job->outputs;

    for (size_t i = 0; i < outputs->count; i++)
        if (outputs->list[i]->fd >= 0 && io_sync_dir(outputs->list[i]->fd, err) < 0)
            return err_prefix(err, "%s", outputs->list[i]->path);
    for (size_t i = 0; i < outputs->count; i++)
        intent_add_file(&job->intent, outputs->list[i]->path, &outputs->list[i]->id);
    for (size_t i = 0; i < outputs->count; i++)
        if (outputs->list[i]->replaces && note_former(job, outputs->list[i], err) < 0)
            return -1;
    if (restore_note(job, err) < 0)
        return -1;
    for (size_t i = 0; i < outputs->count; i++)
        if (outputs->list[i]->folder && publish_output(job, outputs->list[i], err) < 0)
            return -1;
    for (size_t i = 0; i < outputs->folder_count; i++) {
        struct private_folder *folder = outputs->folders[i];
        if (private_folder_remove(folder, err) < 0)
            return -1;
        if (io_sync_dir(folder->parent_fd, err) < 0)
            return err_prefix(err, "%s", folder->parent);
    }
    for (size_t i = 0; i < outputs->count; i++)
        if (check_path(outputs->list[i], err) < 0)
            return -1;
    return 0;
}

void restore_outputs_clear(struct restore_outputs *outputs)
{
    for (size_t i = 0; i < outputs->count; i++) {
        struct restore_output *output = outputs->list[i];
        if (output->dir_fd >= 0)
            close(output->dir_fd);
        if (output->fd >= 0)
            close(output->fd);
        free(output->path);
        free(output->aside);
        free(output);
    }
    for (size_t i = 0; i < outputs->folder_count; i++) {
        private_folder_clear(outputs->folders[i]);
        free(outputs->folders[i]);
    }
    free(outputs->list);
    free(outputs->folders);
    *outputs = (struct restore_outputs){0};
}
