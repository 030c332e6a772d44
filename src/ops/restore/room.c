/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Room for the files of a restore, on each file system that they go to. Files that are replaced
 * stay until the end, so nothing is gained by them.
 */
#include "ops/restore/job.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/units.h"

/* What this guest needs on one file system; in a dry run with what the guests before it would have
 * taken. */
struct restore_need {
    uint64_t device;
    char *folder; /* in it */
    uint64_t bytes;
    bool by_this_guest;
};

void restore_needs_clear(struct restore_needs *needs)
{
    for (size_t i = 0; i < needs->count; i++)
        free(needs->list[i].folder);
    free(needs->list);
    *needs = (struct restore_needs){0};
}

/* The folder that the path is in or, in a dry run, will be in. */
static int open_parent(const char *path, char **ret_folder, int *ret_fd, struct err *err)
{
    CLEANUP_FREE char *folder = mem_strdup(path);

    for (;;) {
        char *slash = strrchr(folder, '/');
        slash[slash == folder] = '\0';
        CLEANUP_ERR struct err open_err = ERR_INIT;
        if (io_open_dir(folder, ret_fd, &open_err) == 0)
            break;
        if (open_err.kind != ERR_NOT_FOUND || strcmp(folder, "/") == 0) {
            err_move(err, &open_err);
            return err_prefix(err, "%s", folder);
        }
    }
    *ret_folder = TAKE_PTR(folder);
    return 0;
}

static int find_need(struct restore_needs *needs, const char *path, struct restore_need **ret,
                     struct err *err)
{
    CLEANUP_FREE char *folder = NULL;
    CLEANUP_CLOSE int fd = -1;
    struct stat st;

    if (open_parent(path, &folder, &fd, err) < 0)
        return -1;
    if (fstat(fd, &st) < 0)
        return err_set_errno(err, errno, "%s: cannot stat it", folder);
    for (size_t i = 0; i < needs->count; i++)
        if (needs->list[i].device == (uint64_t)st.st_dev) {
            *ret = &needs->list[i];
            return 0;
        }
    needs->list = mem_resize(needs->list, needs->count + 1, sizeof(*needs->list));
    needs->list[needs->count] =
        (struct restore_need){.device = (uint64_t)st.st_dev, .folder = TAKE_PTR(folder)};
    *ret = &needs->list[needs->count++];
    return 0;
}

/* A lower limit on what the file takes: a compressed image does not tell how much of its contents
 * is zeros. */
static int add_need(struct restore_job *job, struct restore_needs *needs, const char *path,
                    const struct manifest_stored *stored, struct err *err)
{
    struct restore_need *need = NULL;
    uint64_t bytes = 0;

    if (points_item_usage(job->backup, stored, &bytes, err) < 0)
        return -1;
    if (stored->place == PLACE_FILE && stored->codec.type != CODEC_NONE)
        bytes = stored->file.size;
    if (find_need(needs, path, &need, err) < 0)
        return -1;
    need->by_this_guest = true;
    if (!units_add(need->bytes, bytes, &need->bytes))
        return err_set(err, ERR_CORRUPT, "the sizes in the manifest are too large");
    return 0;
}

static int check_need(const struct restore_need *need, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;
    uint64_t room = 0;
    char needed_text[UNITS_TEXT_SIZE];
    char room_text[UNITS_TEXT_SIZE];

    if (io_open_dir(need->folder, &fd, err) < 0 || io_free_space(fd, &room, err) < 0)
        return err_prefix(err, "%s", need->folder);
    if (need->bytes > room)
        return err_set(err, ERR_NO_SPACE, "%s has only %s free, but the restore needs at least %s",
                       need->folder, units_format_size(room, room_text),
                       units_format_size(need->bytes, needed_text));
    return 0;
}

static int check_needs(struct restore_job *job, struct restore_needs *needs, struct err *err)
{
    const struct placement *placement = &job->placement;

    for (size_t i = 0; i < needs->count; i++)
        needs->list[i].by_this_guest = false;
    for (size_t i = 0; i < placement->disk_count; i++) {
        const struct placed_disk *placed = &placement->disks[i];
        if (!placed->block_device && !placed->shared &&
            add_need(job, needs, placed->path, &placed->disk->stored, err) < 0)
            return -1;
    }
    if (placement->memory &&
        add_need(job, needs, placement->memory, job->manifest->memory, err) < 0)
        return -1;
    for (size_t i = 0; i < needs->count; i++)
        if (needs->list[i].by_this_guest && check_need(&needs->list[i], err) < 0)
            return -1;
    return 0;
}

/* What the guests before this one have taken is no longer free, unless they were only planned. */
int restore_check_room(struct restore_job *job, struct err *err)
{
    struct restore_needs needs CLEANUP(restore_needs_clear) = {0};

    return check_needs(job, job->run->options->dry_run ? &job->run->planned : &needs, err);
}
