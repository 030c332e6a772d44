/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

static void dir_closep(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

int dir_list(int dir_fd, const char *path, struct strings *names, struct err *err)
{
    CLEANUP_STRINGS struct strings found = {0};
    CLEANUP_CLOSE int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir CLEANUP(dir_closep) = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;

    if (!dir)
        return err_set_errno(err, errno, "cannot list the folder");
    (void)TAKE_FD(fd); /* the stream owns it now */
    while (errno = 0, (entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            strings_add(&found, entry->d_name);
    if (errno)
        return err_set_errno(err, errno, "cannot list the folder");
    for (size_t i = 0; i < found.count; i++)
        strings_take(names, TAKE_PTR(found.items[i]));
    strings_sort(names);
    return 0;
}
