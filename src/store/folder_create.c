/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * An object is written under a temporary name, flushed, and then linked to its own: link, unlike
 * rename, fails if that is taken. Before an answer is given the folder is flushed, and so are those
 * above it that were missing, whoever made them in the end: an object that somebody has been told of
 * is there after a power cut.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bulk_writer.h"
#include "base/io.h"
#include "base/random.h"
#include "store/folder_internal.h"

#define RANDOM_SIZE 8 /* bytes of a temporary file that belongs to no session */
/* Smaller objects gain nothing from being written past the page cache. */
#define BULK_MIN ((size_t)1 << 20)

/* The folder of an object or temporary file, and its name in there. */
struct folder_place {
    int dir_fd;
    const char *name; /* borrowed from the object's */
};

static void folder_place_clear(struct folder_place *place)
{
    if (place->dir_fd >= 0)
        close(place->dir_fd);
    place->dir_fd = -1;
}
#define CLEANUP_FOLDER_PLACE CLEANUP(folder_place_clear)

/* Makes the folders below the first two levels that are missing, and flushes what names them. */
static int make_missing(const struct store_folder *folder, const char *path, struct err *err)
{
    CLEANUP_FREE char *part = mem_strdup(path);
    char *slash = strrchr(part, '/');
    CLEANUP_CLOSE int fd = -1;

    if (store_folder_open_dir(folder, path, &fd, err) < 0)
        return -1;
    if (fd >= 0)
        return 0;
    *slash = '\0'; /* what may be missing has two levels above it */
    if (make_missing(folder, part, err) < 0 || store_folder_open_dir(folder, part, &fd, err) < 0)
        return -1;
    if (fd < 0)
        return err_set(err, ERR_IO, "the folder '%s' was removed in the meantime", part);
    if (mkdirat(fd, slash + 1, 0700) < 0 && errno != EEXIST)
        return err_set_errno(err, errno, "cannot create the folder '%s'", path);
    return io_sync_dir(fd, err);
}

static int find_object_place(const struct store_folder *folder, const char *name,
                             struct folder_place *ret, struct err *err)
{
    CLEANUP_FREE char *path = mem_strdup(name);
    char *slash = strrchr(path, '/');

    *ret = (struct folder_place){.dir_fd = -1, .name = name};
    if (!slash) {
        ret->dir_fd = openat(folder->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return ret->dir_fd < 0 ? err_set_errno(err, errno, "cannot open the folder") : 0;
    }
    *slash = '\0';
    ret->name = name + (slash - path) + 1;
    if (make_missing(folder, path, err) < 0 ||
        store_folder_open_dir(folder, path, &ret->dir_fd, err) < 0)
        return -1;
    if (ret->dir_fd < 0)
        return err_set(err, ERR_IO, "its folder was removed in the meantime");
    return 0;
}

static int name_temporary(struct store_folder *folder, const char *session, char **ret,
                          struct err *err)
{
    char random[2 * RANDOM_SIZE + 1];

    if (session) {
        *ret = mem_printf("tmp/%s-%u", session, atomic_fetch_add(&folder->serial, 1));
        return 0;
    }
    if (random_hex(RANDOM_SIZE, random, err) < 0)
        return -1;
    *ret = mem_printf("tmp/%s", random);
    return 0;
}

static int write_data(int fd, const void *data, size_t len, struct err *err)
{
    if (len < BULK_MIN)
        return io_write(fd, data, len, err);
    CLEANUP(bulk_writer_freep) struct bulk_writer *writer = bulk_writer_new(fd, err);
    if (!writer || bulk_writer_write(writer, data, len, 0, err) < 0)
        return -1;
    return bulk_writer_flush(writer, err);
}

/* A number that a former process of the session has used is passed over. */
static int write_temporary(struct store_folder *folder, const struct store_object *object,
                           char **ret_name, struct folder_place *ret, int *ret_fd, struct err *err)
{
    CLEANUP_FREE char *name = NULL;
    CLEANUP_FOLDER_PLACE struct folder_place place = {.dir_fd = -1};
    CLEANUP_CLOSE int fd = -1;

    while (fd < 0) {
        free(TAKE_PTR(name));
        folder_place_clear(&place);
        if (name_temporary(folder, object->session, &name, err) < 0 ||
            find_object_place(folder, name, &place, err) < 0)
            return -1;
        fd = openat(place.dir_fd, place.name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                    0600);
        if (fd < 0 && errno != EEXIST)
            return err_set_errno(err, errno, "cannot create the temporary file '%s'", name);
    }
    if (write_data(fd, object->data, object->len, err) < 0 || io_sync(fd, err) < 0) {
        (void)unlinkat(place.dir_fd, place.name, 0);
        return -1;
    }
    *ret_name = TAKE_PTR(name);
    *ret = place; /* its name is in *ret_name */
    place.dir_fd = -1;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

/* A server of NFS that is asked again, because its first answer was lost, finds the name taken by
 * the very file. */
static bool was_linked(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && st.st_nlink == 2;
}

static int link_to(const struct folder_place *from, int fd, const struct folder_place *to,
                   enum store_outcome *ret, struct err *err)
{
    *ret = STORE_MADE;
    if (linkat(from->dir_fd, from->name, to->dir_fd, to->name, 0) == 0)
        return 0;
    switch (errno) {
    case EEXIST:
        *ret = was_linked(fd) ? STORE_MADE : STORE_EXISTS;
        return 0;
    case EPERM:
    case EOPNOTSUPP:
    case ENOSYS:
    case EMLINK:
        return err_set(err, ERR_UNSUPPORTED,
                       "the file system has no hard links, which a repository needs");
    case EXDEV:
        return err_set(err, ERR_UNSUPPORTED, "another file system is mounted in the repository");
    default:
        return err_set_errno(err, errno, "cannot link");
    }
}

/* What somebody has put in the place of an object may be a folder. */
static int rename_over(const struct folder_place *from, const struct folder_place *to,
                       struct err *err)
{
    if (renameat(from->dir_fd, from->name, to->dir_fd, to->name) == 0 ||
        (errno == EISDIR && unlinkat(to->dir_fd, to->name, AT_REMOVEDIR) == 0 &&
         renameat(from->dir_fd, from->name, to->dir_fd, to->name) == 0))
        return 0;
    if (errno == ENOTEMPTY || errno == EEXIST)
        return err_set(err, ERR_IO, "is a folder with something in it; move that away");
    return err_set_errno(err, errno, "cannot rename");
}

/* The name is taken by renaming instead of linking if it may be anybody's. */
static int put_in_folder(struct store_folder *folder, const struct store_object *object,
                         bool replace, enum store_outcome *ret, struct err *err)
{
    CLEANUP_FOLDER_PLACE struct folder_place to = {.dir_fd = -1}, from = {.dir_fd = -1};
    CLEANUP_FREE char *temporary = NULL;
    CLEANUP_CLOSE int fd = -1;
    int rc = 0;

    if (find_object_place(folder, object->name, &to, err) < 0 ||
        write_temporary(folder, object, &temporary, &from, &fd, err) < 0)
        return -1;
    if (!replace)
        rc = link_to(&from, fd, &to, ret, err);
    else
        rc = rename_over(&from, &to, err);
    /* If it stays it is in nobody's way, and the collector removes it one day. */
    if (!replace || rc < 0)
        (void)unlinkat(from.dir_fd, from.name, 0);
    if (rc < 0)
        return -1;
    return object->settle_later ? 0 : io_sync_dir(to.dir_fd, err);
}

int store_folder_create(struct store *store, const struct store_object *object,
                        enum store_outcome *ret, struct err *err)
{
    return put_in_folder((struct store_folder *)store, object, false, ret, err);
}

int store_folder_replace(struct store *store, const struct store_object *object, struct err *err)
{
    struct store_object settled = *object;

    settled.settle_later = false;
    return put_in_folder((struct store_folder *)store, &settled, true, NULL, err);
}

int store_folder_now(struct store *store, int64_t *ret_ms, struct err *err)
{
    struct store_object object = {.data = ""};
    CLEANUP_FOLDER_PLACE struct folder_place place = {.dir_fd = -1};
    CLEANUP_FREE char *temporary = NULL;
    CLEANUP_CLOSE int fd = -1;
    struct stat st;

    if (write_temporary((struct store_folder *)store, &object, &temporary, &place, &fd, err) < 0)
        return -1;
    int rc = fstat(fd, &st) < 0 ? err_set_errno(err, errno, "cannot stat a new file") : 0;
    (void)unlinkat(place.dir_fd, place.name, 0);
    if (rc == 0)
        *ret_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    return rc;
}
