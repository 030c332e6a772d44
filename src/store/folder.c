/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "base/dir.h"
#include "base/io.h"
#include "store/folder_internal.h"

static struct store_folder *as_folder(struct store *store)
{
    return (struct store_folder *)store;
}

/* One look-up for the whole name: no part of it may be a link, lead out of the folder, or have another
 * file system mounted on it, which hides what is there. */
static int open_below(int root_fd, const char *name, int flags)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC | O_NOFOLLOW),
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
    };

    return (int)syscall(SYS_openat2, root_fd, name, &how, sizeof(how));
}

static int refuse_mount(struct err *err)
{
    return err_set(err, ERR_IO, "another file system is mounted in the repository");
}

int store_folder_open_in(const struct store_folder *folder, const char *name, int flags,
                         int *ret_fd, struct err *err)
{
    /* Without O_NONBLOCK the opening of a FIFO would wait. */
    CLEANUP_CLOSE int fd = open_below(folder->root_fd, name, flags | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0 && errno == ELOOP)
        return err_set(err, ERR_CORRUPT, "is a symbolic link, or below one");
    if (fd < 0 && errno == ENOTDIR)
        return err_set(err, ERR_CORRUPT, "is below a file, not a folder");
    if (fd < 0 && errno == EXDEV)
        return refuse_mount(err);
    /* ENXIO is said of a socket: open(2). */
    if (fd < 0 && errno == ENXIO)
        return err_set(err, ERR_CORRUPT, "is not a regular file");
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set_errno(err, errno, "cannot open");
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_CORRUPT, "is not a regular file");
    *ret_fd = TAKE_FD(fd);
    return 0;
}

/* True of "d" and "d/default". */
static bool is_upper(const char *name)
{
    const char *slash = strchr(name, '/');

    return !slash || !strchr(slash + 1, '/');
}

int store_folder_open_dir(const struct store_folder *folder, const char *name, int *ret_fd,
                          struct err *err)
{
    CLEANUP_FREE char *upper = mem_strdup(name);
    char *slash = strchr(upper, '/');
    int fd = open_below(folder->root_fd, name, O_RDONLY | O_DIRECTORY);

    *ret_fd = fd;
    if (fd >= 0)
        return 0;
    if (errno == ELOOP || errno == ENOTDIR)
        return err_set(err, ERR_CORRUPT, "is not a folder, or not below one");
    if (errno == EXDEV)
        return refuse_mount(err);
    if (errno != ENOENT)
        return err_set_errno(err, errno, "cannot open the folder");
    slash = slash ? strchr(slash + 1, '/') : NULL;
    if (slash)
        *slash = '\0';
    CLEANUP_CLOSE int upper_fd = open_below(folder->root_fd, upper, O_RDONLY | O_DIRECTORY);
    if (!is_upper(name) && upper_fd >= 0)
        return 0;
    return err_set(err, ERR_NOT_FOUND,
                   "the folder '%s' is missing; is all of the repository mounted? A copy may have "
                   "been made without empty folders: then make it with mkdir",
                   upper);
}

static int store_folder_get(struct store *store, const struct store_range *range, size_t *ret_len,
                            struct err *err)
{
    CLEANUP_CLOSE int fd = -1;

    if (store_folder_open_in(as_folder(store), range->name, O_RDONLY, &fd, err) < 0)
        return -1;
    return io_pread_some(fd, range->data, range->cap, range->offset, ret_len, err);
}

/* Of the page cache. File systems that cannot say so refuse the flag. */
static bool store_folder_get_at_hand(struct store *store, const struct store_range *range)
{
    CLEANUP_CLOSE int fd = -1;
    size_t done = 0;
    ssize_t n = 1;

    if (store_folder_open_in(as_folder(store), range->name, O_RDONLY, &fd, NULL) < 0)
        return false;
    while (done < range->cap && n > 0) {
        struct iovec rest = {(uint8_t *)range->data + done, range->cap - done};
        n = preadv2(fd, &rest, 1, (off_t)(range->offset + done), RWF_NOWAIT);
        done += n > 0 ? (size_t)n : 0;
    }
    return done == range->cap;
}

static int store_folder_delete(struct store *store, const char *name, struct err *err)
{
    CLEANUP_FREE char *path = mem_strdup(name);
    char *slash = strrchr(path, '/');
    CLEANUP_CLOSE int dir_fd = -1;

    if (!slash) {
        if (unlinkat(as_folder(store)->root_fd, name, 0) < 0 && errno != ENOENT)
            return err_set_errno(err, errno, "cannot remove");
        return 0;
    }
    *slash = '\0';
    if (store_folder_open_dir(as_folder(store), path, &dir_fd, err) < 0)
        return -1;
    if (dir_fd < 0 || unlinkat(dir_fd, slash + 1, 0) == 0 || errno == ENOENT)
        return 0;
    /* What was put there in its place, if it is empty. */
    if (errno == EISDIR && unlinkat(dir_fd, slash + 1, AT_REMOVEDIR) == 0)
        return 0;
    return err_set_errno(err, errno, "cannot remove");
}

static int store_folder_settle(struct store *store, const char *name, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;

    if (store_folder_open_dir(as_folder(store), name, &fd, err) < 0)
        return -1;
    return fd < 0 ? 0 : io_sync_dir(fd, err);
}

static int store_folder_add(struct store *store, const char *name, struct err *err)
{
    CLEANUP_FREE char *parent = mem_strdup(name);
    char *slash = strrchr(parent, '/');
    CLEANUP_CLOSE int parent_fd = -1;

    if (slash)
        *slash = '\0';
    if (slash
            ? store_folder_open_dir(as_folder(store), parent, &parent_fd, err) < 0
            : (parent_fd = open_below(as_folder(store)->root_fd, ".", O_RDONLY | O_DIRECTORY)) < 0)
        return slash ? -1 : err_set_errno(err, errno, "cannot open the folder above");
    if (mkdirat(parent_fd, slash ? slash + 1 : name, 0700) < 0 && errno != EEXIST)
        return err_set_errno(err, errno, "cannot create the folder");
    return io_sync_dir(parent_fd, err);
}

static const char *store_folder_lagging(struct store *store)
{
    struct statfs st;

    if (fstatfs(as_folder(store)->root_fd, &st) < 0)
        return NULL;
    switch ((unsigned long)st.f_type) {
    case NFS_SUPER_MAGIC:
        return "nfs";
    case CIFS_SUPER_MAGIC:
    case SMB2_SUPER_MAGIC:
        return "cifs";
    default:
        return NULL;
    }
}

static void store_folder_close(struct store *store)
{
    close(as_folder(store)->root_fd);
    free(store);
}

static const struct store_ops store_folder_ops = {
    .create = store_folder_create,
    .replace = store_folder_replace,
    .get = store_folder_get,
    .get_at_hand = store_folder_get_at_hand,
    .list = store_folder_list,
    .delete = store_folder_delete,
    .settle = store_folder_settle,
    .add_folder = store_folder_add,
    .now = store_folder_now,
    .lagging = store_folder_lagging,
    .close = store_folder_close,
};

int store_folder_make(const char *path, const struct strings *own, struct err *err)
{
    CLEANUP_CLOSE int fd = -1, parent_fd = -1;
    CLEANUP_STRINGS struct strings names = {0};

    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_set_errno(err, errno, "cannot create the folder");
    if (io_open_dir(path, &fd, err) < 0 || dir_list(fd, ".", &names, err) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++)
        /* The second is what mkfs leaves. */
        if (!strings_has(own, names.items[i]) && strcmp(names.items[i], "lost+found") != 0)
            return err_set(err, ERR_EXISTS, "is not empty: it has '%s'", names.items[i]);
    parent_fd = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent_fd < 0)
        return err_set_errno(err, errno, "cannot open the folder above");
    return io_sync_dir(parent_fd, err);
}

int store_folder_open(const char *path, struct store **ret, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;

    if (io_open_dir(path, &fd, err) < 0)
        return -1;
    struct store_folder *folder = mem_alloc(sizeof(*folder));
    folder->store.ops = &store_folder_ops;
    folder->root_fd = TAKE_FD(fd);
    *ret = &folder->store;
    return 0;
}
