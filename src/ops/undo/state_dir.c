/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/undo/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"

int state_dir_path(char **ret, struct err *err)
{
    const char *state_home = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");

    if (geteuid() == 0)
        *ret = mem_strdup("/var/lib/virt-backup");
    else if (state_home && *state_home == '/')
        *ret = mem_printf("%s/virt-backup", state_home);
    else if (home && *home == '/')
        *ret = mem_printf("%s/.local/state/virt-backup", home);
    else
        return err_set(err, ERR_USAGE, "neither XDG_STATE_HOME nor HOME names an absolute path");
    return 0;
}

/* Makes every folder on the way; those that exist are left as they are. */
static int make_path(char *path, struct err *err)
{
    for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        int failed = mkdir(path, 0700) < 0 && errno != EEXIST;
        *slash = '/';
        if (failed)
            return err_set_errno(err, errno, "%s: cannot create the state directory", path);
    }
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_set_errno(err, errno, "%s: cannot create the state directory", path);
    return 0;
}

/* What is noted here is undone with our privileges, so nobody else may write it. */
static int open_checked(const char *path, int *ret_fd, struct err *err)
{
    CLEANUP_CLOSE int fd = -1;
    struct stat st;

    if (io_open_dir(path, &fd, err) < 0)
        return err_prefix(err, "%s", path);
    if (fstat(fd, &st) < 0 || st.st_uid != geteuid() || (st.st_mode & 022))
        return err_set(err, ERR_DENIED,
                       "the state directory %s must belong to you, and nobody else may write to it",
                       path);
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int state_dir_open(int *ret_fd, struct err *err)
{
    CLEANUP_FREE char *path = NULL;

    if (state_dir_path(&path, err) < 0 || make_path(path, err) < 0)
        return -1;
    return open_checked(path, ret_fd, err);
}

int state_dir_check(int *ret_fd, struct err *err)
{
    CLEANUP_FREE char *path = NULL;

    return state_dir_path(&path, err) < 0 ? -1 : open_checked(path, ret_fd, err);
}

int state_dir_look(void)
{
    int fd = -1;

    return state_dir_check(&fd, NULL) < 0 ? -1 : fd;
}
