/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/reach.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/text.h"

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw": the device number is the third
 * word, the type comes after the lone dash. */
static char *type_in_line(const char *line, const char *device)
{
    const char *at = strstr(line, device);
    const char *dash = at ? strstr(at, " - ") : NULL;
    const char *type = dash ? dash + strlen(" - ") : NULL;

    for (const char *c = line; at && c < at; c++)
        if (*c == '/')
            return NULL; /* part of a path */
    return type ? mem_strndup(type, strcspn(type, " \n")) : NULL;
}

char *reach_type_in(const char *mountinfo, unsigned major, unsigned minor)
{
    CLEANUP_FREE char *device = mem_printf(" %u:%u ", major, minor);

    while (*mountinfo) {
        size_t len = strcspn(mountinfo, "\n");
        CLEANUP_FREE char *line = mem_strndup(mountinfo, len);
        char *type = type_in_line(line, device);
        if (type)
            return type;
        mountinfo += len + (mountinfo[len] == '\n');
    }
    return NULL;
}

char *reach_file_system(int dir_fd)
{
    CLEANUP_CLOSE int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    CLEANUP_FREE char *text = NULL;
    struct stat st;
    size_t len = 0;

    if (fd < 0 || fstat(dir_fd, &st) < 0)
        return NULL;
    for (ssize_t n = 1; n > 0; len += n > 0 ? (size_t)n : 0) {
        text = mem_resize(text, len + 4097, 1);
        n = read(fd, text + len, 4096);
        text[len + (n > 0 ? (size_t)n : 0)] = '\0';
    }
    return reach_type_in(text, major(st.st_dev), minor(st.st_dev));
}

bool reach_ends_at_host(const char *type)
{
    static const char *const types[] = {"fuse", "cifs", "smb3", "9p", "vboxsf"};

    /* "fuseblk" is used for local devices. */
    for (size_t i = 0; i < ARRAY_COUNT(types); i++)
        if (strcmp(type, types[i]) == 0)
            return true;
    return text_begins(type, "fuse.");
}
