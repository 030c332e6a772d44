/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "archive/folder.h"
#include "archive/reach.h"
#include "archive/tidy.h"
#include "base/io.h"

#define WRITER_OPEN_TRIES 40
#define WRITER_OPEN_PAUSE_MS 50

struct archive_writer {
    struct folder folder; /* its descriptor holds a shared lock */
    bool made;
};

/* A new folder must last as long as the backup in it. If we may not open its parent, that cannot be
 * flushed, which is not a reason to refuse. */
static void sync_parent(const struct folder *folder)
{
    CLEANUP_CLOSE int fd = openat(folder->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0)
        (void)io_sync_dir(fd, NULL);
}

/* Writers share a lock on the folder itself. Two others lock it exclusively: earlier versions,
 * whose writers work alone, and, for a moment, a writer that removes a folder that it made and left
 * empty. If the file system cannot lock folders, no lock is used. */
static int share_folder(const struct folder *folder, struct err *err)
{
    struct stat st;

    if (flock(folder->fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return err_set(err, ERR_BUSY,
                       "%s: in use by an older version of virt-backup; try again when it is done",
                       folder->path);
    if (fstat(folder->fd, &st) < 0 || st.st_nlink == 0)
        return err_set(err, ERR_BUSY, "%s: another virt-backup has just removed this folder",
                       folder->path);
    return 0;
}

static int open_writer_once(const char *path, const struct parser *parser,
                            struct archive_writer *archive, struct err *err)
{
    bool made = mkdir(path, 0700) == 0;

    if (!made && errno != EEXIST)
        return err_set_errno(err, errno, "%s: cannot create the folder", path);
    archive->made = archive->made || made;
    if (folder_open(path, parser, &archive->folder, err) < 0) {
        if (made)
            (void)rmdir(path);
        return -1;
    }
    return share_folder(&archive->folder, err);
}

/* Removing an empty folder takes almost no time, so wait for that. */
static int open_archive_folder(const char *path, const struct parser *parser,
                               struct archive_writer *archive, struct err *err)
{
    for (int i = 0;; i++) {
        CLEANUP_ERR struct err why = ERR_INIT;
        if (open_writer_once(path, parser, archive, &why) == 0)
            return 0;
        if (why.kind != ERR_BUSY || i == WRITER_OPEN_TRIES)
            return err_move(err, &why);
        folder_clear(&archive->folder);
        poll(NULL, 0, WRITER_OPEN_PAUSE_MS);
    }
}

int archive_writer_open(const char *path, const struct parser *parser, struct archive_writer **ret,
                        struct err *err)
{
    CLEANUP(archive_writer_closep) struct archive_writer *archive = mem_alloc(sizeof(*archive));

    archive->folder = FOLDER_INIT;
    if (open_archive_folder(path, parser, archive, err) < 0)
        return -1;
    if (archive->made)
        sync_parent(&archive->folder);
    if (tidy_all(&archive->folder, err) < 0)
        return -1;
    *ret = TAKE_PTR(archive);
    return 0;
}

void archive_writer_close(struct archive_writer *archive)
{
    if (!archive)
        return;
    /* Fails, as it should, if the folder holds anything. */
    if (archive->made && archive->folder.fd >= 0 &&
        (flock(archive->folder.fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK))
        (void)rmdir(archive->folder.path);
    folder_clear(&archive->folder);
    free(archive);
}

char *archive_writer_lone_file_system(const struct archive_writer *archive)
{
    CLEANUP_FREE char *type = reach_file_system(archive->folder.fd);

    return type && reach_ends_at_host(type) ? TAKE_PTR(type) : NULL;
}

const struct folder *archive_writer_folder(const struct archive_writer *archive)
{
    return &archive->folder;
}
