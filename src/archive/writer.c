/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "archive/exchange.h"
#include "archive/folder.h"
#include "archive/names.h"
#include "base/io.h"
#include "base/log.h"

struct archive_writer {
    struct folder folder;
    bool made;
};

/* Under the exclusive lock every temporary file is a dead run's. */
static int remove_leftovers(const struct folder *folder, struct err *err)
{
    CLEANUP_STRINGS struct strings names = {0};

    if (folder_names(folder, &names, err) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++) {
        switch (archive_temp_kind(names.items[i])) {
        case ARCHIVE_TEMP_PART:
            /* If it can't be removed, nothing can be written here either. */
            (void)unlinkat(folder->fd, names.items[i], 0);
            break;
        case ARCHIVE_TEMP_SCRATCH:
            log_warn("%s/%s was left by an interrupted run and may be the only copy of a guest's "
                     "memory; 'virt-backup recover' looks after it, else 'virsh restore' it or, "
                     "if no guest needs it, remove it",
                     folder->path, names.items[i]);
            break;
        case ARCHIVE_TEMP_NONE:
            break;
        }
    }
    return 0;
}

/* A new folder's name must last as well as the backup in it. A parent that we may
 * not open can't be flushed: that is no reason to refuse. */
static void sync_parent(const struct folder *folder)
{
    CLEANUP_CLOSE int fd = openat(folder->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0)
        (void)io_sync_dir(fd, NULL);
}

int archive_writer_open(const char *path, struct archive_writer **ret, struct err *err)
{
    CLEANUP(archive_writer_closep) struct archive_writer *archive = mem_alloc(sizeof(*archive));

    archive->folder = FOLDER_INIT;
    archive->made = mkdir(path, 0700) == 0;
    if (!archive->made && errno != EEXIST)
        return err_set_errno(err, errno, "%s: cannot make the folder", path);
    if (folder_open(path, true, &archive->folder, err) < 0) {
        if (archive->made)
            (void)rmdir(path);
        return -1;
    }
    if (archive->made)
        sync_parent(&archive->folder);
    if (exchange_finish(&archive->folder, err) < 0) {
        if (err && err->kind == ERR_CORRUPT)
            err_append(err, "a backup was interrupted while its files were being put in place, and "
                            "this can't be finished; see INTERRUPTED BACKUPS in "
                            "virt-backup-archive(5)");
        return -1;
    }
    if (remove_leftovers(&archive->folder, err) < 0)
        return -1;
    *ret = TAKE_PTR(archive);
    return 0;
}

void archive_writer_close(struct archive_writer *archive)
{
    if (!archive)
        return;
    /* Fails, as it should, on a folder that holds anything. */
    if (archive->made && archive->folder.fd >= 0)
        (void)rmdir(archive->folder.path);
    folder_clear(&archive->folder);
    free(archive);
}

const char *archive_writer_path(const struct archive_writer *archive)
{
    return archive->folder.path;
}

const struct folder *archive_writer_folder(const struct archive_writer *archive)
{
    return &archive->folder;
}
