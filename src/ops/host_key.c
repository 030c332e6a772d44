/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/host_key.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/io.h"
#include "base/random.h"
#include "base/text.h"
#include "ops/undo/state_dir.h"

static const char file_name[] = "seal";

/* ---- the folder --------------------------------------------------------------- */

static int host_key_path(char **ret, struct err *err)
{
    CLEANUP_FREE char *state = NULL;

    if (state_dir_path(&state, err) < 0)
        return -1;
    *ret = mem_printf("%s-key", state);
    return 0;
}

static int check_private(const struct stat *st, const char *what, struct err *err)
{
    if (st->st_uid == geteuid() && (st->st_mode & 077) == 0)
        return 0;
    return err_set(err, ERR_DENIED, "%s must belong to you, and nobody else may read or write it",
                   what);
}

/* A new folder must last as long as the manifests sealed with the key in it. */
static int make_folder(const char *path, struct err *err)
{
    CLEANUP_FREE char *parent = mem_strndup(path, (size_t)(strrchr(path, '/') - path));
    CLEANUP_CLOSE int fd = -1;

    if (mkdir(path, 0700) < 0)
        return errno == EEXIST ? 0 : err_set_errno(err, errno, "cannot create the folder");
    return io_open_dir(*parent ? parent : "/", &fd, err) < 0 ? -1 : io_sync_dir(fd, err);
}

static int open_folder(const char *path, int *ret_fd, struct err *err)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    if (fd < 0 && errno == ENOTDIR)
        return err_set(err, ERR_DENIED, "is not a folder");
    if (fd < 0)
        return err_set_errno(err, errno, "cannot open the folder");
    if (fstat(fd, &st) < 0)
        return err_set_errno(err, errno, "cannot stat the folder");
    if (check_private(&st, "the folder", err) < 0)
        return -1;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

/* ---- the file ------------------------------------------------------------------ */

static int read_secret(int dir, struct seal_key *ret, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;
    struct stat st;

    if (io_open_in(dir, file_name, O_RDONLY, 0, &fd, err) < 0)
        return -1;
    if (fstat(fd, &st) < 0)
        return err_set_errno(err, errno, "cannot stat the file");
    if (check_private(&st, "the file", err) < 0)
        return -1;
    if (st.st_size != SEAL_SECRET_SIZE)
        return err_set(err, ERR_CORRUPT, "is %lld bytes long; a key has %d", (long long)st.st_size,
                       SEAL_SECRET_SIZE);
    return io_pread(fd, ret->secret, SEAL_SECRET_SIZE, 0, err);
}

/* Removes what was left by runs that died while making a key. Once there is a key, nobody needs it:
 * a run that is making one right now will use the existing key. */
static void remove_leftovers(int dir)
{
    CLEANUP_FREE char *start = mem_printf(".%s.", file_name);
    CLEANUP_STRINGS struct strings names = {0};

    if (dir_list(dir, ".", &names, NULL) < 0)
        return;
    for (size_t i = 0; i < names.count; i++)
        if (text_begins(names.items[i], start) && text_ends(names.items[i], ".new"))
            (void)unlinkat(dir, names.items[i], 0);
}

/* Another run may make one at the same time: the first one is used by all. */
static int make_secret(int dir, struct seal_key *ret, struct err *err)
{
    const struct io_file file = {file_name, ret->secret, SEAL_SECRET_SIZE, .mode = 0600};
    CLEANUP_ERR struct err why = ERR_INIT;

    if (random_bytes(ret->secret, SEAL_SECRET_SIZE, err) < 0)
        return -1;
    if (io_publish(dir, &file, &why) == 0)
        return 0;
    return read_secret(dir, ret, NULL) == 0 ? 0 : err_move(err, &why);
}

static int open_at(const char *path, bool make, struct seal_key *key, struct err *err)
{
    CLEANUP_ERR struct err why = ERR_INIT;
    CLEANUP_CLOSE int dir = -1;

    if (make && make_folder(path, err) < 0)
        return -1;
    if (open_folder(path, &dir, err) < 0)
        return -1;
    if (read_secret(dir, key, &why) == 0) {
        if (make)
            remove_leftovers(dir);
        return 0;
    }
    if (make && why.kind == ERR_NOT_FOUND)
        return make_secret(dir, key, err);
    err_prefix(&why, "%s", file_name);
    return err_move(err, &why);
}

int host_key_open(bool make, struct seal_key **ret, struct err *err)
{
    CLEANUP(host_key_freep) struct seal_key *key = mem_alloc(sizeof(*key));
    CLEANUP_ERR struct err why = ERR_INIT;
    CLEANUP_FREE char *path = NULL;

    *ret = NULL;
    if (host_key_path(&path, err) < 0)
        return -1;
    if (open_at(path, make, key, &why) == 0) {
        *ret = TAKE_PTR(key);
        return 0;
    }
    if (!make && why.kind == ERR_NOT_FOUND)
        return 0;
    err_prefix(&why, "%s", path);
    return err_move(err, &why);
}

void host_key_free(struct seal_key *key)
{
    if (!key)
        return;
    explicit_bzero(key, sizeof(*key));
    free(key);
}

/* ---- for the verbs --------------------------------------------------------------- */

struct seal_key *host_key_for_backup(const struct report *report)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct seal_key *key = NULL;

    if (host_key_open(true, &key, &err) < 0)
        report_warning(report, NULL, &(struct warning){WARNING_NOT_SEALED, .why = err.text});
    return key;
}

struct seal_key *host_key_for_reading(const struct report *report)
{
    CLEANUP_ERR struct err err = ERR_INIT;
    struct seal_key *key = NULL;

    if (host_key_open(false, &key, &err) < 0)
        report_warning(report, NULL, &(struct warning){WARNING_SEALS_UNKNOWN, .why = err.text});
    return key;
}
