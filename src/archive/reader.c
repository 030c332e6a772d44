/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "archive/exchange.h"
#include "archive/folder.h"
#include "archive/names.h"
#include "archive/writer.h"
#include "base/io.h"
#include "base/text.h"

struct archive_reader {
    struct folder folder;
};

/* Opening for writing is what finishes it. */
static int finish_exchange(const char *path, struct err *err)
{
    CLEANUP(archive_writer_closep) struct archive_writer *writer = NULL;

    if (archive_writer_open(path, &writer, err) == 0)
        return 0;
    if (err && (err->kind == ERR_DENIED || err->kind == ERR_BUSY)) {
        err->kind = ERR_BUSY;
        err_prefix(err, "a backup was interrupted while its files were being put in place");
        err_append(err,
                   "to finish that, run 'virt-backup list --source-path %s' as a user who may "
                   "write there",
                   path);
    }
    return -1;
}

int archive_reader_open(const char *path, struct archive_reader **ret, struct err *err)
{
    CLEANUP_FOLDER struct folder folder = FOLDER_INIT;
    bool pending = false;

    if (folder_open(path, false, &folder, err) < 0 || exchange_pending(&folder, &pending, err) < 0)
        return -1;
    if (pending) {
        folder_clear(&folder);
        if (finish_exchange(path, err) < 0 || folder_open(path, false, &folder, err) < 0 ||
            exchange_pending(&folder, &pending, err) < 0)
            return -1;
    }
    if (pending)
        return err_set(err, ERR_BUSY, "%s: another virt-backup works on this archive", path);
    struct archive_reader *archive = mem_alloc(sizeof(*archive));
    archive->folder = folder;
    folder = FOLDER_INIT;
    *ret = archive;
    return 0;
}

void archive_reader_close(struct archive_reader *archive)
{
    if (!archive)
        return;
    folder_clear(&archive->folder);
    free(archive);
}

const char *archive_reader_path(const struct archive_reader *archive)
{
    return archive->folder.path;
}

/* The guest's name if the file may be a manifest; the caller frees; else NULL. */
static int domain_of(const struct archive_reader *archive, const char *name, char **ret,
                     struct err *err)
{
    const size_t suffix_len = strlen(ARCHIVE_MANIFEST_SUFFIX);
    size_t len = strlen(name);
    struct stat st = {0};
    bool there = false;

    *ret = NULL;
    if (!text_ends(name, ARCHIVE_MANIFEST_SUFFIX) || archive_check_name(name, NULL) < 0)
        return 0;
    /* What can't be looked at may be a backup: it must not be passed over. */
    if (folder_stat(&archive->folder, name, &there, &st, err) < 0)
        return -1;
    if (there && S_ISREG(st.st_mode))
        *ret = mem_strndup(name, len - suffix_len);
    return 0;
}

int archive_reader_list(struct archive_reader *archive, char ***ret_names, size_t *ret_count,
                        struct err *err)
{
    CLEANUP_STRINGS struct strings names = {0};
    CLEANUP_STRINGS struct strings domains = {0};

    if (folder_names(&archive->folder, &names, err) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++) {
        CLEANUP(manifest_freep) struct manifest *manifest = NULL;
        CLEANUP_ERR struct err why = ERR_INIT;
        CLEANUP_FREE char *domain = NULL;

        if (domain_of(archive, names.items[i], &domain, err) < 0)
            return -1;
        if (!domain || (folder_manifest(&archive->folder, domain, &manifest, &why) < 0 &&
                        why.kind == ERR_NOT_FOUND))
            continue;
        strings_take(&domains, TAKE_PTR(domain));
    }
    /* Not the order of the files: "web-db.xml" comes before "web.xml". */
    strings_sort(&domains);
    *ret_names = TAKE_PTR(domains.items);
    *ret_count = domains.count;
    domains.count = 0;
    return 0;
}

void archive_names_free(char **names, size_t count)
{
    struct strings owned = {names, count};

    strings_clear(&owned);
}

int archive_reader_manifest(struct archive_reader *archive, const char *domain,
                            struct manifest **ret, struct err *err)
{
    return folder_manifest(&archive->folder, domain, ret, err);
}

int archive_reader_open_file(struct archive_reader *archive, const struct manifest_stored *stored,
                             int *ret_fd, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;
    struct stat st;

    if (archive_check_name(stored->file.name, err) < 0)
        return err_prefix(err, "%s", archive->folder.path);
    if (io_open_in(archive->folder.fd, stored->file.name, O_RDONLY, 0, &fd, err) < 0)
        return folder_prefix(&archive->folder, stored->file.name, err);
    if (fstat(fd, &st) < 0) {
        err_set_errno(err, errno, "cannot look at the file");
        return folder_prefix(&archive->folder, stored->file.name, err);
    }
    if ((uint64_t)st.st_size != stored->file.size) {
        err_set(err, ERR_CORRUPT, "is %llu bytes long, the manifest says %llu",
                (unsigned long long)st.st_size, (unsigned long long)stored->file.size);
        return folder_prefix(&archive->folder, stored->file.name, err);
    }
    *ret_fd = TAKE_FD(fd);
    return 0;
}
