/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/staging.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "base/units.h"

#define FOLDER_START "vb-"
#define MAX_IMAGES 1000

struct staging {
    char *base;   /* without symbolic links */
    char *folder; /* the guest's own, below base */
    char *memory; /* in folder */
};

/* ---- who can change it ------------------------------------------------------------------- */

static int check_staging_folder(int fd, const char *path, uid_t also, bool last, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_set_errno(err, errno, "%s: cannot stat the folder", path);
    if (st.st_uid != 0 && st.st_uid != geteuid() && st.st_uid != also)
        return err_set(err, ERR_DENIED, "%s belongs to user %u, who can change its contents", path,
                       (unsigned)st.st_uid);
    /* In a sticky folder others can make files, but cannot remove ours. */
    if ((st.st_mode & 022) && (last || !(st.st_mode & S_ISVTX)))
        return err_set(err, ERR_DENIED, "others can write to %s", path);
    return 0;
}

/* The path has no symbolic links by now. If anybody could put one in, it is refused on the way
 * down, before the step that the link could redirect. */
static int check_way(const char *path, uid_t also, struct err *err)
{
    CLEANUP_CLOSE int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    CLEANUP_FREE char *way = mem_strdup(path);
    const char *name = way + 1;

    if (fd < 0)
        return err_set_errno(err, errno, "/: cannot open the folder");
    if (check_staging_folder(fd, "/", also, !*name, err) < 0)
        return -1;
    while (*name) {
        char *end = way + (strchrnul(name, '/') - way);
        bool last = !*end;
        *end = '\0';
        int next = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0)
            return err_set_errno(err, errno, "%s: cannot open the folder", way);
        close(fd);
        fd = next;
        if (check_staging_folder(fd, way, also, last, err) < 0)
            return -1;
        if (last)
            break;
        *end = '/';
        name = end + 1;
    }
    return 0;
}

int staging_check_hands(const char *path, uid_t also, char **ret, struct err *err)
{
    CLEANUP_FREE char *real = realpath(path, NULL);

    if (!real)
        return err_set_errno(err, errno, "%s", path);
    if (check_way(real, also, err) < 0)
        return -1;
    *ret = TAKE_PTR(real);
    return 0;
}

/* ---- choosing the folder ------------------------------------------------------------------- */

static char *staging_parent(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? mem_strndup(path, slash > path ? (size_t)(slash - path) : 1) : mem_strdup(".");
}

static int check_room(const char *base, uint64_t needed, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;
    uint64_t room = 0;
    char needed_text[UNITS_TEXT_SIZE];
    char room_text[UNITS_TEXT_SIZE];

    if (io_open_dir(base, &fd, err) < 0 || io_free_space(fd, &room, err) < 0)
        return err_prefix(err, "%s", base);
    if (needed <= room)
        return 0;
    return err_set(err, ERR_NO_SPACE,
                   "%s has only %s free, but the guest's memory image may take %s", base,
                   units_format_size(room, room_text), units_format_size(needed, needed_text));
}

static int check_staging_place(const char *path, uint64_t needed, char **ret, struct err *err)
{
    CLEANUP_FREE char *base = NULL;

    if (staging_check_hands(path, (uid_t)-1, &base, err) < 0 || check_room(base, needed, err) < 0)
        return -1;
    *ret = TAKE_PTR(base);
    return 0;
}

/* It is below a folder of libvirt's own. */
static int make_usual(const char *path, struct err *err)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_set_errno(err, errno, "%s: cannot create the folder", path);
    return 0;
}

/* Of a usual folder that is missing, the one that it would be made in says the same. */
static int look_at_usual(const struct staging_request *request, char **ret, struct err *err)
{
    CLEANUP_FREE char *above = staging_parent(request->usual);

    return check_staging_place(access(request->usual, F_OK) == 0 ? request->usual : above,
                               request->needed, ret, err);
}

static int take_usual(const struct staging_request *request, char **ret, struct err *err)
{
    if (make_usual(request->usual, err) < 0)
        return -1;
    return check_staging_place(request->usual, request->needed, ret, err);
}

/* make: the usual folder, if it is missing. */
static int choose_staging(const struct staging_request *request, bool make, char **ret,
                          struct err *err)
{
    CLEANUP_ERR struct err usual_err = ERR_INIT;
    CLEANUP_ERR struct err other_err = ERR_INIT;

    if (request->path) {
        if (check_staging_place(request->path, request->needed, ret, err) < 0)
            return err_prefix(err, "--staging-path");
        return 0;
    }
    if ((make ? take_usual : look_at_usual)(request, ret, &usual_err) == 0)
        return 0;
    if (request->destination &&
        check_staging_place(request->destination, request->needed, ret, &other_err) == 0) {
        log_detail("the guest's memory is staged in the destination: %s", usual_err.text);
        return 0;
    }
    err_move(err, &usual_err);
    if (request->destination)
        err_append(err, "nor can the destination be used: %s", other_err.text);
    return err_append(err,
                      "make room, or name another folder that only %s can change with "
                      "--staging-path",
                      geteuid() == 0 ? "root" : "you");
}

/* The image of a dead run may still exist, kept or being written. */
static char *free_path(const char *folder)
{
    struct stat st;

    for (unsigned n = 1;; n++) {
        CLEANUP_FREE char *path = mem_printf("%s/memory-%u.sav", folder, n);
        if ((lstat(path, &st) < 0 && errno == ENOENT) || n == MAX_IMAGES)
            return TAKE_PTR(path);
    }
}

int staging_open(const struct staging_request *request, struct staging **ret, struct err *err)
{
    CLEANUP(staging_closep) struct staging *staging = mem_alloc(sizeof(*staging));

    if (choose_staging(request, true, &staging->base, err) < 0)
        return -1;
    staging->folder = mem_printf("%s/" FOLDER_START "%s",
                                 strcmp(staging->base, "/") ? staging->base : "", request->uuid);
    staging->memory = free_path(staging->folder);
    *ret = TAKE_PTR(staging);
    return 0;
}

int staging_check(const struct staging_request *request, struct err *err)
{
    CLEANUP_FREE char *base = NULL;

    return choose_staging(request, false, &base, err);
}

void staging_close(struct staging *staging)
{
    if (!staging)
        return;
    if (staging->folder)
        (void)rmdir(staging->folder);
    free(staging->base);
    free(staging->folder);
    free(staging->memory);
    free(staging);
}

const char *staging_memory_path(const struct staging *staging)
{
    return staging->memory;
}

const char *staging_folder(const struct staging *staging)
{
    return staging->folder;
}

/* ---- files ----------------------------------------------------------------------------------- */

int staging_make(struct staging *staging, struct err *err)
{
    struct stat st;

    if (mkdir(staging->folder, 0700) < 0 && errno != EEXIST)
        return err_set_errno(err, errno, "%s: cannot create the folder", staging->folder);
    if (lstat(staging->folder, &st) < 0)
        return err_set_errno(err, errno, "%s: cannot stat the folder", staging->folder);
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077))
        return err_set(err, ERR_DENIED,
                       "%s is in the way: it is not a folder of yours that nobody else can enter",
                       staging->folder);
    return 0;
}

int staging_nameless(const struct staging *staging, int *ret_fd, struct err *err)
{
    int fd = open(staging->base, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
        CLEANUP_FREE char *path = mem_printf("%s.stream", staging->folder);
        (void)unlink(path); /* left by a run that died between the next two calls */
        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        int failed = errno;
        (void)unlink(path);
        errno = failed;
    }
    if (fd < 0)
        return err_set_errno(err, errno, "%s: cannot create a file", staging->base);
    *ret_fd = fd;
    return 0;
}

static const char *name_in(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

int staging_open_file(const char *path, int *ret_fd, struct err *err)
{
    CLEANUP_FREE char *folder = staging_parent(path);
    CLEANUP_CLOSE int dir_fd = -1;

    if (io_open_dir(folder, &dir_fd, err) < 0)
        return err_prefix(err, "%s", folder);
    if (io_open_in(dir_fd, name_in(path), O_RDONLY, 0, ret_fd, err) < 0)
        return err_prefix(err, "%s", path);
    return 0;
}

static int flush_folder(const char *path, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;

    if (io_open_dir(path, &fd, err) < 0 || io_sync_dir(fd, err) < 0)
        return err_prefix(err, "%s", path);
    return 0;
}

/* The guest's folder may be new, and so may the usual folder above it. */
int staging_flush(const char *path, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;
    CLEANUP_FREE char *folder = staging_parent(path);
    CLEANUP_FREE char *base = staging_parent(folder);
    CLEANUP_FREE char *above = staging_parent(base);

    if (staging_open_file(path, &fd, err) < 0)
        return -1;
    if (io_sync(fd, err) < 0)
        return err_prefix(err, "%s", path);
    return flush_folder(folder, err) < 0 || flush_folder(base, err) < 0 ||
                   flush_folder(above, err) < 0
               ? -1
               : 0;
}

/* Once the journal is gone, nothing that it named may come back. */
int staging_remove(const char *path, struct err *err)
{
    CLEANUP_FREE char *folder = staging_parent(path);
    CLEANUP_FREE char *base = staging_parent(folder);

    if (unlink(path) < 0 && errno != ENOENT)
        return err_set_errno(err, errno, "%s: cannot remove it", path);
    if (strncmp(name_in(folder), FOLDER_START, strlen(FOLDER_START)) == 0 && rmdir(folder) == 0)
        (void)flush_folder(base, NULL);
    else
        (void)flush_folder(folder, NULL);
    return 0;
}

bool staging_is_own(const char *folder, const char *uuid)
{
    const char *rest = text_after(name_in(folder), FOLDER_START);

    return rest && strcmp(rest, uuid) == 0;
}

char *staging_keep(const char *path, const char *guest)
{
    CLEANUP_FREE char *folder = staging_parent(path);

    for (unsigned n = 1; n < MAX_IMAGES; n++) {
        CLEANUP_FREE char *suffix = n > 1 ? mem_printf(".%u", n) : mem_strdup("");
        CLEANUP_FREE char *kept = mem_printf("%s/%s.rescue%s.sav", folder, guest, suffix);
        if (io_rename(AT_FDCWD, path, kept, false, NULL) == 0)
            return TAKE_PTR(kept);
        if (errno != EEXIST)
            break;
    }
    return mem_strdup(path);
}
